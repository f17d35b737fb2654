"""photos.download against real servers on 127.0.0.1 that answer as the worst of buckets does."""

from __future__ import annotations

import asyncio
import csv
import errno
import io
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pytest
from aiohttp import web
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image

from mushroom_tasks import __version__, manifests
from mushroom_tasks.errors import DownloadError, SourceUnreachable, StorageError, StorageFull
from mushroom_tasks.photos import fetch
from mushroom_tasks.photos.download import check_failed_ratio, download, is_settled
from mushroom_tasks.settings import DownloadSettings
from mushroom_tasks.storage import Store

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _encode(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _photo(seed: int = 0, kind: str = "JPEG", **options: object) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    return _encode(Image.fromarray(pixels), kind, **options)


def _bomb() -> bytes:
    """A whole PNG of 20,000 x 20,000 black pixels in some 50 kB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress(bytes(20_000 * 2501))
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def body(data: bytes, status: int = 200, **headers: str) -> Answer:
    """Answer with a body whose length is declared."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(
            body=data, status=status, headers={name.replace("_", "-"): v for name, v in headers.items()}
        )

    return answer


def cut(data: bytes, declared: int | None) -> Answer:
    """Send some bytes and hang up."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={} if declared is None else {"Content-Length": str(declared)})
        await response.prepare(request)
        await response.write(data)
        await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.abort()
        return response

    return answer


def hang_up(request: web.Request) -> Awaitable[web.StreamResponse]:
    """Hang up without a word."""
    assert request.transport is not None
    request.transport.abort()
    return asyncio.sleep(0, web.Response())


def endless(sent: list[int], declared: int | None = None) -> Answer:
    """Send zeros for as long as the other side listens, or until 50 MB."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={} if declared is None else {"Content-Length": str(declared)})
        await response.prepare(request)
        for _ in range(500):
            await response.write(bytes(100_000))
            sent.append(100_000)
        return response

    return answer


def slow(data: bytes, seconds: float) -> Answer:
    """Answer after a while."""

    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(seconds)
        return web.Response(body=data)

    return answer


class Bucket:
    """A web server in a thread, whose answer to each photo is set by the test."""

    def __init__(self) -> None:
        self.answers: dict[int, list[Answer]] = {}
        self.requests: dict[int, list[float]] = defaultdict(list)
        self.headers: dict[str, str] = {}
        self.paths: list[str] = []
        self.running = self.peak = 0
        self.address = ""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def serve(self, photo_id: int, *answers: Answer) -> None:
        """Give these answers to the requests for a photo, the last one for ever."""
        self.answers[photo_id] = list(answers)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = self._loop.run_until_complete(self._serve())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _serve(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/photos/{photo_id}/{name}", self._answer)
        app.router.add_get("/else/{name}", body(_photo()))
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        photo_id = int(request.match_info["photo_id"])
        self.requests[photo_id].append(time.monotonic())
        self.headers, self.paths = dict(request.headers), [*self.paths, request.path]
        answers = self.answers[photo_id]
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            return await answers[min(len(self.requests[photo_id]), len(answers)) - 1](request)
        finally:
            self.running -= 1


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    made = Bucket()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "FIRST_PAUSE", 0.01)


SETTINGS = DownloadSettings(connections=8, retries=2, timeout=5, max_bytes=1_000_000)


def _rows(*photo_ids: int, extension: str = "jpg") -> pa.Table:
    return pa.table({"photo_id": pa.array(photo_ids, pa.int64()), "extension": [extension] * len(photo_ids)})


def _one(bucket: Bucket, store: Store, *answers: Answer, **changed: Any) -> dict[str, Any]:
    """Download photo 7, which is answered like this; return its row."""
    bucket.serve(7, *answers)
    settings = SETTINGS.model_copy(update=changed)
    return download(_rows(7), bucket.address, store, settings).to_pylist()[0]


def test_download__stores_the_photo_as_received(bucket: Bucket, store: Store) -> None:
    data = _photo()
    assert _one(bucket, store, body(data)) == {
        "photo_id": 7,
        "status": "ok",
        "failure": None,
        "detail": None,
        "path": "photos/007/7.jpg",
        "sha256": sha256(data).hexdigest(),
        "bytes": len(data),
        "width": 32,
        "height": 24,
        "format": "JPEG",
    }
    assert store.read_bytes("photos/007/7.jpg") == data
    assert bucket.paths == ["/photos/7/medium.jpg"]
    assert bucket.headers["User-Agent"].startswith(f"mobile-mushroom-classifier/{__version__}")


def test_download__gives_a_row_per_photo_sorted_by_id(bucket: Bucket, store: Store) -> None:
    for photo_id in range(1, 31):
        bucket.serve(photo_id, body(_photo(photo_id)) if photo_id % 3 else body(b"", 404))
    wanted = [*range(30, 0, -1), 5, 5]
    table = download(_rows(*wanted), bucket.address, store, SETTINGS)
    assert table["photo_id"].to_pylist() == list(range(1, 31))
    assert Counter(table["status"].to_pylist()) == {"ok": 20, "failed": 10}
    assert len(bucket.requests[5]) == 1
    manifests.write_manifest(store, "d.parquet", table, manifests.DOWNLOADS, "f")
    assert manifests.read_manifest(store, "d.parquet", manifests.DOWNLOADS).equals(table)


def test_download__of_nothing_is_an_empty_table(bucket: Bucket, store: Store) -> None:
    table = download(_rows(), bucket.address, store, SETTINGS)
    assert table.num_rows == 0
    assert table.schema.equals(manifests.DOWNLOADS)


def test_download__asks_for_the_size_and_extension_of_upstream(bucket: Bucket, store: Store) -> None:
    bucket.serve(1234, body(_photo()))
    settings = SETTINGS.model_copy(update={"size": "large"})
    table = download(_rows(1234, extension="JPEG"), bucket.address + "/", store, settings)
    assert bucket.paths == ["/photos/1234/large.JPEG"]
    assert table["path"].to_pylist() == ["photos/234/1234.JPEG"]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_download__does_not_try_again_what_is_gone(bucket: Bucket, store: Store, status: int) -> None:
    row = _one(bucket, store, body(b"<Error/>", status), body(_photo()))
    assert (row["status"], row["failure"]) == ("failed", "missing")
    assert f"HTTP {status}" in row["detail"]
    assert len(bucket.requests[7]) == 1
    assert row["path"] is row["sha256"] is None


@pytest.mark.parametrize("status", [400, 401, 204, 304, 501])
def test_download__records_a_status_that_no_further_try_will_change(bucket: Bucket, store: Store, status: int) -> None:
    row = _one(bucket, store, body(b"", status), body(_photo()))
    assert row["failure"] == "http_error"
    assert f"HTTP {status}" in row["detail"]
    assert len(bucket.requests[7]) == 1


@pytest.mark.parametrize(
    "passing",
    [body(b"", 429), body(b"", 500), body(b"", 503), cut(b"half", 1000), cut(b"half", None), hang_up],
    ids=["429", "500", "503", "cut", "cut, no length", "hung up"],
)
def test_download__tries_again_what_failed_in_passing(bucket: Bucket, store: Store, passing: Answer) -> None:
    assert _one(bucket, store, passing, passing, body(_photo()))["status"] == "ok"
    # aiohttp itself repeats a request once where a kept connection turns out to be closed.
    assert len(bucket.requests[7]) >= 3


@pytest.mark.parametrize(
    ("answer", "reason", "detail"),
    [
        (body(b"", 500), "http_error", "HTTP 500 Internal Server Error (tried 3 times)"),
        (body(b"", 429), "http_error", "HTTP 429 Too Many Requests (tried 3 times)"),
        (cut(b"half", 1000), "connection", "the connection was cut after 4 of 1000 bytes (tried 3 times)"),
        (cut(b"half", None), "connection", "the connection was cut after 4 bytes (tried 3 times)"),
        (hang_up, "connection", "Server disconnected (tried 3 times)"),
    ],
    ids=["500", "429", "cut", "cut, no length", "hung up"],
)
def test_download__gives_up_after_as_many_tries_as_set(
    bucket: Bucket, store: Store, answer: Answer, reason: str, detail: str
) -> None:
    row = _one(bucket, store, answer)
    assert (row["failure"], row["detail"]) == (reason, detail)
    assert store.list("photos") == []


def test_download__waits_longer_with_every_try(bucket: Bucket, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "FIRST_PAUSE", 0.1)
    assert _one(bucket, store, body(b"", 503))["failure"] == "http_error"
    first, second, third = bucket.requests[7]
    assert 0.05 <= second - first < 0.4
    assert 0.1 <= third - second < 0.8


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_download__obeys_retry_after(bucket: Bucket, store: Store, form: str) -> None:
    # A date has whole seconds: two ahead is more than one away.
    after = "1" if form == "seconds" else format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    assert _one(bucket, store, body(b"", 429, Retry_After=after), body(_photo()))["status"] == "ok"
    first, second = bucket.requests[7]
    assert 0.9 <= second - first < 4


@pytest.mark.parametrize("after", ["86400", "Fri, 31 Dec 2199 23:59:59 GMT", "soon", "-5", "", "9" * 400])
def test_download__does_not_wait_for_ever(
    bucket: Bucket, store: Store, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "LONGEST_PAUSE", 0.05)
    assert _one(bucket, store, body(b"", 503, Retry_After=after), body(_photo()))["status"] == "ok"
    assert bucket.requests[7][1] - bucket.requests[7][0] < 2


def test_download__records_a_photo_that_takes_too_long(bucket: Bucket, store: Store) -> None:
    row = _one(bucket, store, slow(_photo(), 30), timeout=0.2, retries=1)
    assert (row["failure"], row["detail"]) == ("timeout", "no whole answer within 0.2 s (tried 2 times)")
    assert len(bucket.requests[7]) == 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<html><body>429 Too Many Requests</body></html>", "html"),
        (b"\x00" * 5000, "not_an_image"),
        (_encode(Image.new("RGB", (9, 9)), "BMP"), "not_an_image"),
        (_photo()[:-300], "truncated"),
        (_bomb(), "too_large"),
    ],
    ids=["empty", "html", "zeros", "bmp", "truncated", "bomb"],
)
def test_download__records_content_that_is_no_photo(bucket: Bucket, store: Store, data: bytes, reason: str) -> None:
    row = _one(bucket, store, body(data))
    assert (row["status"], row["failure"]) == ("failed", reason)
    assert row["detail"]
    assert len(bucket.requests[7]) == 1, "the same bytes would come again"
    assert store.list("photos") == []


def test_download__tells_the_format_by_content(bucket: Bucket, store: Store) -> None:
    row = _one(bucket, store, body(_photo(kind="PNG"), Content_Type="image/jpeg"))
    assert (row["status"], row["format"], row["path"]) == ("ok", "PNG", "photos/007/7.jpg")


def test_download__takes_cmyk(bucket: Bucket, store: Store) -> None:
    row = _one(bucket, store, body(_encode(Image.new("CMYK", (20, 10)))))
    assert (row["status"], row["width"], row["height"]) == ("ok", 20, 10)


def test_download__gives_the_size_upright_and_keeps_the_file(bucket: Bucket, store: Store) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = _photo(exif=exif)
    row = _one(bucket, store, body(data))
    assert (row["width"], row["height"]) == (24, 32)
    assert store.read_bytes(row["path"]) == data


@pytest.mark.parametrize("declared", [50_000_000, None])
def test_download__stops_reading_what_is_too_large(bucket: Bucket, store: Store, declared: int | None) -> None:
    sent: list[int] = []
    row = _one(bucket, store, endless(sent, declared))
    assert row["failure"] == "too_large"
    assert "1000000 allowed" in row["detail"] or "1000000 bytes" in row["detail"]
    assert sum(sent) < 25_000_000, "what sockets buffer may be sent, not the whole"
    assert len(bucket.requests[7]) == 1


def test_download__allows_a_file_of_just_the_limit(bucket: Bucket, store: Store) -> None:
    data = _photo()
    assert _one(bucket, store, body(data), max_bytes=len(data))["status"] == "ok"
    store.delete("photos", recursive=True)
    assert _one(bucket, store, body(data), max_bytes=len(data) - 1)["failure"] == "too_large"


def test_download__follows_a_redirect_but_no_loop(bucket: Bucket, store: Store) -> None:
    bucket.serve(1, body(b"", 302, Location="/else/1.jpg"))
    bucket.serve(2, body(b"", 302, Location="/photos/2/medium.jpg"))
    bucket.serve(3, body(b"", 302, Location="file:///etc/passwd"))
    bucket.serve(4, body(b"", 302, Location="http://["))
    rows = download(_rows(1, 2, 3, 4), bucket.address, store, SETTINGS).to_pylist()
    assert [row["failure"] for row in rows] == [None, "http_error", "http_error", "http_error"]
    assert len(bucket.requests[2]) <= 5
    assert "redirect" in rows[1]["detail"]
    assert "file:///etc/passwd" in rows[2]["detail"]


@pytest.mark.parametrize("extension", ["../../../etc/passwd", "", "jpg?x"])
def test_download__records_an_extension_that_is_none(bucket: Bucket, store: Store, extension: str) -> None:
    row = download(_rows(7, extension=extension), bucket.address, store, SETTINGS).to_pylist()[0]
    assert (row["failure"], bucket.requests) == ("not_an_image", {})
    assert repr(extension) in row["detail"]


def test_download__keeps_no_more_photos_under_way_than_set(bucket: Bucket, store: Store) -> None:
    for photo_id in range(60):
        bucket.serve(photo_id, slow(_photo(), 0.02))
    settings = SETTINGS.model_copy(update={"connections": 5})
    assert download(_rows(*range(60)), bucket.address, store, settings).num_rows == 60
    assert bucket.peak == 5


def test_download__does_not_fetch_again_what_is_stored(bucket: Bucket, store: Store) -> None:
    for photo_id in range(10):
        bucket.serve(photo_id, body(_photo(photo_id)))
    bucket.serve(10, body(b"", 503))
    first = download(_rows(*range(11)), bucket.address, store, SETTINGS)
    bucket.requests.clear()
    bucket.serve(10, body(_photo(10)))
    store.write_bytes("photos/003/3.jpg", _photo(3)[:-300])
    store.write_bytes("photos/004/4.jpg", b"")
    second = download(_rows(*range(11)), bucket.address, store, SETTINGS)
    assert sorted(bucket.requests) == [3, 4, 10]
    assert second["status"].to_pylist() == ["ok"] * 11
    assert second.slice(0, 10).equals(first.slice(0, 10))


def test_download__trusts_an_earlier_manifest_by_size(bucket: Bucket, store: Store) -> None:
    for photo_id in range(4):
        bucket.serve(photo_id, body(_photo(photo_id)))
    bucket.serve(4, body(b"", 404), body(_photo(4)))
    earlier = download(_rows(*range(5)), bucket.address, store, SETTINGS)
    bucket.requests.clear()
    data = store.read_bytes("photos/001/1.jpg")
    store.write_bytes("photos/001/1.jpg", bytes(len(data)))
    store.write_bytes("photos/002/2.jpg", b"cut")
    store.delete("photos/003/3.jpg")
    bucket.answers[4] = [body(_photo(4))]
    table = download(_rows(*range(5)), bucket.address, store, SETTINGS, earlier=earlier)
    assert sorted(bucket.requests) == [2, 3, 4], "0 and 1 have the size they had"
    assert table["status"].to_pylist() == ["ok"] * 5
    download(_rows(1), bucket.address, store, SETTINGS)
    assert 1 in bucket.requests, "without the manifest the content is looked at"


def test_download__goes_on_after_it_was_killed(bucket: Bucket, store: Store) -> None:
    for photo_id in range(40):
        bucket.serve(photo_id, slow(_photo(photo_id), 0.1))
    program = (
        "import sys, pyarrow as pa\n"
        "from mushroom_tasks.photos.download import download\n"
        "from mushroom_tasks.settings import DownloadSettings\n"
        "from mushroom_tasks.storage import Store\n"
        "rows = pa.table({'photo_id': list(range(40)), 'extension': ['jpg'] * 40})\n"
        "download(rows, sys.argv[1], Store(sys.argv[2]), DownloadSettings(connections=2))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, bucket.address, store.root])
    deadline = time.monotonic() + 60
    while len(bucket.requests) < 12 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    stored = {
        int(name.removesuffix(".jpg")) for folder in store.list("photos") for name in store.list(f"photos/{folder}")
    }
    assert 5 <= len(stored) < 40
    bucket.requests.clear()
    table = download(_rows(*range(40)), bucket.address, store, SETTINGS)
    assert table["status"].to_pylist() == ["ok"] * 40
    assert set(bucket.requests) == set(range(40)) - stored
    assert store.read_bytes("photos/039/39.jpg") == _photo(39)


def test_download__says_soon_that_nobody_answers(store: Store) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        start = time.monotonic()
        with pytest.raises(SourceUnreachable, match=f"{address} cannot be reached: no connection") as caught:
            download(_rows(*range(5000)), address, store, SETTINGS)
    assert time.monotonic() - start < 10
    assert isinstance(caught.value.__cause__, Exception)


@pytest.mark.parametrize("address", ["http://no-such-host.invalid", "https://127.0.0.1:1", "http://:80"])
def test_download__says_soon_that_there_is_no_such_host(store: Store, address: str) -> None:
    with pytest.raises(SourceUnreachable, match=address):
        download(_rows(*range(50)), address, store, SETTINGS)


def test_download__gives_up_on_a_source_that_fails_for_everything(
    bucket: Bucket, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "MAX_FAILED_IN_A_ROW", 20)
    for photo_id in range(500):
        bucket.serve(photo_id, body(b"", 503))
    with pytest.raises(SourceUnreachable, match=r"failed for 20 photos in a row, each tried 3 times.*HTTP 503"):
        download(_rows(*range(500)), bucket.address, store, SETTINGS)
    assert len(bucket.requests) < 60


def test_download__goes_on_while_some_photos_come(
    bucket: Bucket, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "MAX_FAILED_IN_A_ROW", 20)
    for photo_id in range(100):
        bucket.serve(photo_id, body(b"", 503) if photo_id % 5 else body(_photo()))
    table = download(_rows(*range(100)), bucket.address, store, SETTINGS)
    assert Counter(table["failure"].to_pylist()) == {None: 20, "http_error": 80}


def test_download__one_photo_that_always_fails_is_not_the_source(bucket: Bucket, store: Store) -> None:
    for _ in range(2):
        assert _one(bucket, store, hang_up)["failure"] == "connection"


def test_download__reads_a_folder_like_a_bucket(bucket: Bucket, store: Store, tmp_path: Path) -> None:
    contents = {1: _photo(1), 2: b"", 3: b"<html>", 4: _photo(4)[:-300], 6: b"x" * 2_000_000}
    for photo_id, data in contents.items():
        path = tmp_path / "bucket" / "photos" / str(photo_id) / "medium.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        bucket.serve(photo_id, body(data))
    bucket.serve(5, body(b"", 404))
    rows = _rows(1, 2, 3, 4, 5, 6)
    from_folder = download(rows, str(tmp_path / "bucket"), store, SETTINGS)
    from_web = download(rows, bucket.address, Store(tmp_path / "other"), SETTINGS)
    assert from_folder["failure"].to_pylist() == [None, "empty", "html", "truncated", "missing", "too_large"]
    assert from_folder.drop_columns(["detail"]).equals(from_web.drop_columns(["detail"]))
    assert "medium.jpg" in from_folder["detail"].to_pylist()[4]


@pytest.mark.parametrize("source", ["nowhere", "ftp://example.org/bucket", ""])
def test_download__names_a_source_without_photos(store: Store, tmp_path: Path, source: str) -> None:
    with pytest.raises(SourceUnreachable, match="HTTP"):
        download(_rows(1), source and source.replace("nowhere", str(tmp_path)), store, SETTINGS)


class _FullFileSystem(MemoryFileSystem):
    """An object store that takes 5 files and then has no space left."""

    protocol = "full"
    store: dict[str, Any] = {}  # noqa: RUF012 - fsspec keeps the memory file system's content on the class
    pseudo_dirs = [""]  # noqa: RUF012
    one_at_a_time = threading.Lock()

    def put_file(self, lpath: str, rpath: str, **options: Any) -> None:
        with self.one_at_a_time:
            if len(self.store) >= 5:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            super().put_file(lpath, rpath, **options)


def test_download__stops_when_the_store_is_full(bucket: Bucket) -> None:
    fsspec.register_implementation("full", _FullFileSystem, clobber=True)
    for photo_id in range(300):
        bucket.serve(photo_id, body(_photo(photo_id)))
    store = Store("full://store")
    with pytest.raises(StorageFull, match="no space left"):
        download(_rows(*range(300)), bucket.address, store, SETTINGS)
    assert len(bucket.requests) < 60, "one full disk ends the work for all"
    assert len(_FullFileSystem.store) == 5


def test_download__stops_when_the_store_cannot_be_written(bucket: Bucket, store: Store) -> None:
    store.write_bytes("photos/007", b"a file where a folder should be")
    bucket.serve(7, body(_photo()))
    with pytest.raises(StorageError, match="photo 7 cannot be kept in the store"):
        download(_rows(7), bucket.address, store, SETTINGS)


def test_download__tells_its_progress(bucket: Bucket, store: Store, tmp_path: Path) -> None:
    data = _photo()
    for photo_id in range(5):
        bucket.serve(photo_id, body(data) if photo_id else body(b"", 404))
    download(_rows(1, 2), bucket.address, store, SETTINGS)
    download(_rows(*range(5)), bucket.address, store, SETTINGS, tmp_path / "progress")
    assert json.loads((tmp_path / "progress" / "download.json").read_text()) == {
        "stage": "download",
        "done": 5,
        "total": 5,
        "unit": "photos",
        "ok": 2,
        "failed": 1,
        "kept": 2,
        "bytes": 2 * len(data),
    }


def _downloads(*failures: str | None) -> pa.Table:
    rows = [
        {
            "photo_id": 100 + n,
            "status": "failed" if failure else "ok",
            "failure": failure,
            "detail": failure and f"what photo {100 + n} got",
        }
        for n, failure in enumerate(failures)
    ]
    return pa.Table.from_pylist(rows, schema=manifests.DOWNLOADS)


def test_check_failed_ratio__counts_by_reason() -> None:
    table = _downloads(None, None, "html", "missing", "missing")
    with pytest.raises(DownloadError) as caught:
        check_failed_ratio(table, 0.5)
    message = str(caught.value)
    assert message.startswith("3 of 5 photos failed (60.0%)")
    assert "missing 2, html 1" in message
    assert "photo 103: what photo 103 got" in message
    assert "download.size" in message


def test_check_failed_ratio__allows_what_is_set() -> None:
    for table, ratio in ((_downloads(), 0.0), (_downloads(None), 0.0), (_downloads(None, "html"), 0.5)):
        assert check_failed_ratio(table, ratio) is None  # type: ignore[func-returns-value]
    with pytest.raises(DownloadError, match="1 of 2"):
        check_failed_ratio(_downloads(None, "html"), 0.49)


@pytest.mark.parametrize(
    ("failures", "settled"),
    [
        ((), True),
        ((None, None), True),
        ((None, None, None, "missing"), True),
        ((None, None, None, "timeout"), False),
        ((None, None, None, "http_error"), False),
        ((None, None, None, "connection"), False),
        ((None, "missing", "missing"), False),
    ],
)
def test_is_settled__unless_failed_in_passing_or_too_often(failures: tuple[str | None, ...], settled: bool) -> None:
    assert is_settled(_downloads(*failures), 0.5) is settled


@pytest.mark.shared
def test_download__brings_every_obtainable_photo_of_a_real_bucket(shared_bucket: Path, store: Store) -> None:
    with (shared_bucket / "truth.csv").open(newline="") as file:
        truth = {int(row["photo_id"]): row["fault"] for row in csv.DictReader(file)}
    table = download(_rows(*truth), str(shared_bucket), store, SETTINGS.model_copy(update={"max_bytes": 30_000_000}))
    bad = {"missing", "empty", "truncated", "html"}
    failures = dict(zip(table["photo_id"].to_pylist(), table["failure"].to_pylist(), strict=True))
    assert failures == {photo_id: fault if fault in bad else None for photo_id, fault in truth.items()}
