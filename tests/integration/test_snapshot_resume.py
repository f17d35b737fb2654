"""Fetching that is cut off, killed, or meets another file than the one it began: real servers, real SIGKILL."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from bucket_server import Server
from small_bucket import ordinary, write_table

from mushroom_tasks.errors import SnapshotDamaged, SourceChanged, StorageError
from mushroom_tasks.inat.snapshots import receiving
from mushroom_tasks.inat.snapshots.partial import held
from mushroom_tasks.inat.snapshots.snapshot import FetchedSnapshot, fetch
from mushroom_tasks.inat.tables import FILES
from mushroom_tasks.settings import SourceSettings
from mushroom_tasks.storage import Store

ACCESS = SourceSettings(retries=2, timeout=5)
PHOTOS = "photos.csv.gz"


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """A bucket whose photos take some 150 kB, for there has to be a middle to be cut in."""
    folder = ordinary().write(tmp_path / "bucket")
    write_photos(folder, seed=1)
    return folder


def write_photos(folder: Path, seed: int) -> None:
    rows = [[random.Random(f"{seed}/{n}").getrandbits(128)] for n in range(8000)]
    write_table(folder / PHOTOS, ["photo_uuid"], rows)


@pytest.fixture
def server(bucket: Path) -> Iterator[Server]:
    server = Server(bucket)
    yield server
    server.stop()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def photos_served(server: Server) -> list[tuple[int, int]]:
    return [(served.start, served.count) for served in server.served if served.name == PHOTOS]


def assert_whole(snapshot: FetchedSnapshot, store: Store, bucket: Path) -> None:
    assert store.read_bytes(f"{snapshot.folder}/{PHOTOS}") == (bucket / PHOTOS).read_bytes()
    assert store.list("incoming") == []


def leave_half(server: Server, store: Store) -> int:
    """Fetch until the photos are cut off for good; return how many bytes of them are here."""
    half = (server.folder / PHOTOS).stat().st_size // 2
    server.cuts[PHOTOS] = [half]
    with pytest.raises(SnapshotDamaged, match=rf"breaks off: received {half} of"):
        fetch(server.address, store, ACCESS.model_copy(update={"retries": 0}), None)
    server.served.clear()
    server.requests.clear()
    return half


def test_fetch__goes_on_from_the_byte_where_it_was_cut_off(
    server: Server, bucket: Path, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mushroom_tasks")
    size = (bucket / PHOTOS).stat().st_size
    server.cuts[PHOTOS] = [50_000, 30_000]
    snapshot = fetch(server.address, store, ACCESS, None)
    assert photos_served(server) == [(0, 50_000), (50_000, 30_000), (80_000, size - 80_000)]
    assert [served.if_range is not None for served in server.served if served.name == PHOTOS] == [False, True, True]
    assert "photos.csv.gz: going on after 50.0 kB" in caplog.messages
    assert_whole(snapshot, store, bucket)


def test_fetch__goes_on_in_the_next_run(server: Server, bucket: Path, store: Store) -> None:
    half = leave_half(server, store)
    snapshot = fetch(server.address, store, ACCESS, None)
    assert photos_served(server) == [(half, (bucket / PHOTOS).stat().st_size - half)]
    assert {served.name for served in server.served} == {PHOTOS, "observers.csv.gz"}, "finished files are kept"
    assert_whole(snapshot, store, bucket)


def test_fetch__gains_forgive_the_failures_before_them(
    server: Server, bucket: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "_GAIN", 1000)
    server.cuts[PHOTOS] = [20_000] * 6
    assert_whole(fetch(server.address, store, ACCESS.model_copy(update={"retries": 1}), None), store, bucket)


def test_fetch__a_killed_process_costs_nothing_that_was_fetched(server: Server, bucket: Path, store: Store) -> None:
    size = (bucket / PHOTOS).stat().st_size
    server.stalls[PHOTOS] = 100_000
    code = (
        "import sys; from mushroom_tasks.inat.snapshots.snapshot import fetch; "
        "from mushroom_tasks.storage import Store; "
        "from mushroom_tasks.settings import SourceSettings; "
        "fetch(sys.argv[1], Store(sys.argv[2]), SourceSettings(timeout=60), None)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, server.address, store.root])
    try:
        wait_for_bytes(Path(store.root) / "incoming", 100_000)
        with pytest.raises(StorageError, match="another process fetches this snapshot already"):
            fetch(server.address, store, ACCESS, None)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    server.release.set()
    snapshot = fetch(server.address, store, ACCESS, None)
    assert photos_served(server) == [(0, 100_000), (100_000, size - 100_000)]
    assert_whole(snapshot, store, bucket)


_KILLED_AT_THE_RENAME = """
import os, signal, sys
from pathlib import Path
from mushroom_tasks.inat.snapshots.snapshot import fetch
from mushroom_tasks.settings import SourceSettings
from mushroom_tasks.storage import Store

moment, address, root = sys.argv[1:]
rename = Path.rename

def killed(self, target):
    if moment == "after":
        rename(self, target)
    os.kill(os.getpid(), signal.SIGKILL)

Path.rename = killed
fetch(address, Store(root), SourceSettings(), None)
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_fetch__killed_while_the_files_find_their_place_costs_no_download(
    server: Server, bucket: Path, store: Store, moment: str
) -> None:
    command = [sys.executable, "-c", _KILLED_AT_THE_RENAME, moment, server.address, store.root]
    killed = subprocess.run(command, check=False, timeout=60, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert photos_served(server) == [(0, (bucket / PHOTOS).stat().st_size)]
    server.served.clear()

    snapshot = fetch(server.address, store, ACCESS, None)

    assert photos_served(server) == []
    assert store.list(snapshot.folder) == sorted([*FILES, "snapshot.json"])
    assert store.read_bytes(f"{snapshot.folder}/{PHOTOS}") == (bucket / PHOTOS).read_bytes()


def wait_for_bytes(folder: Path, count: int) -> None:
    end = time.monotonic() + 60
    while sum(path.stat().st_size for path in folder.rglob(PHOTOS)) < count:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_fetch__starts_over_where_the_file_was_replaced_since(
    server: Server, bucket: Path, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    leave_half(server, store)
    write_photos(bucket, seed=2)
    snapshot = fetch(server.address, store, ACCESS, None)
    assert [served.start for served in server.served] == [0, 0], "photos anew, observers for the first time"
    assert any("photos.csv.gz: nothing proves" in message for message in caplog.messages)
    assert_whole(snapshot, store, bucket)


def test_fetch__if_range_keeps_two_publications_apart(server: Server, bucket: Path, store: Store) -> None:
    half = leave_half(server, store)
    before = (bucket / PHOTOS).stat()

    async def replaced_between_head_and_get(request: web.Request) -> web.StreamResponse:
        if request.method == "GET" and (bucket / PHOTOS).stat().st_mtime_ns == before.st_mtime_ns:
            assert request.headers["If-Range"] == f'"{before.st_mtime_ns:x}-{before.st_size:x}"'
            assert request.headers["Range"] == f"bytes={half}-"
            write_photos(bucket, seed=2)
        return await server.send(request, PHOTOS)

    server.replace(PHOTOS, replaced_between_head_and_get)
    with pytest.raises(SourceChanged, match=r"photos\.csv\.gz was replaced at the source"):
        fetch(server.address, store, ACCESS, None)
    assert store.list("snapshots") == []
    assert_whole(fetch(server.address, store, ACCESS, None), store, bucket)


def test_fetch__goes_on_by_date_where_there_is_no_etag(server: Server, bucket: Path, store: Store) -> None:
    server.has_etag = False
    half = leave_half(server, store)
    snapshot = fetch(server.address, store, ACCESS, None)
    assert photos_served(server)[0][0] == half
    assert next(served.if_range for served in server.served if served.name == PHOTOS).endswith("GMT")
    assert_whole(snapshot, store, bucket)


def test_fetch__starts_over_where_the_server_knows_no_ranges(
    server: Server, bucket: Path, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    server.has_ranges = False
    leave_half(server, store)
    snapshot = fetch(server.address, store, ACCESS, None)
    assert photos_served(server) == [(0, (bucket / PHOTOS).stat().st_size)]
    assert any("does not go on after" in message and "starting over" in message for message in caplog.messages)
    assert_whole(snapshot, store, bucket)


def test_fetch__asks_for_the_whole_file_where_the_range_is_refused(server: Server, bucket: Path, store: Store) -> None:
    leave_half(server, store)

    async def refusing(request: web.Request) -> web.StreamResponse:
        if "Range" in request.headers:
            raise web.HTTPRequestRangeNotSatisfiable
        return await server.send(request, PHOTOS)

    server.replace(PHOTOS, refusing)
    assert_whole(fetch(server.address, store, ACCESS, None), store, bucket)


def test_fetch__refuses_another_range_than_the_one_it_asked_for(server: Server, bucket: Path, store: Store) -> None:
    leave_half(server, store)
    data = (bucket / PHOTOS).read_bytes()

    async def shifted(request: web.Request) -> web.StreamResponse:
        if "Range" not in request.headers:
            return await server.send(request, PHOTOS)
        headers = {"Content-Range": f"bytes 5-{len(data) - 1}/{len(data)}"}
        return web.Response(status=206, body=data[5:], headers=headers)

    server.replace(PHOTOS, shifted)
    with pytest.raises(Exception, match=r"answers with Content-Range 'bytes 5-"):
        fetch(server.address, store, ACCESS.model_copy(update={"retries": 0}), None)
    assert store.list("snapshots") == []


@pytest.mark.parametrize("spoil", ["flipped", "longer", "no note"])
def test_fetch__starts_over_where_what_is_here_is_damaged(
    server: Server, bucket: Path, store: Store, spoil: str, caplog: pytest.LogCaptureFixture
) -> None:
    leave_half(server, store)
    (part,) = (Path(store.root) / "incoming").rglob(PHOTOS)
    data = part.read_bytes()
    if spoil == "flipped":
        part.write_bytes(data[:5000] + bytes(64) + data[5064:])
    elif spoil == "longer":
        part.write_bytes(data * 3)
    else:
        next(part.parent.parent.rglob(f"{PHOTOS}.json")).unlink()
    snapshot = fetch(server.address, store, ACCESS, None)
    assert photos_served(server)[-1] == (0, (bucket / PHOTOS).stat().st_size)
    assert any("starting over" in message for message in caplog.messages)
    assert_whole(snapshot, store, bucket)


def test_fetch__a_size_alone_proves_nothing(server: Server, bucket: Path, store: Store) -> None:
    data = (bucket / PHOTOS).read_bytes()
    starts = []

    async def plain(request: web.Request) -> web.StreamResponse:
        starts.append(request.headers.get("Range"))
        if len(starts) == 2:  # the first GET
            response = web.StreamResponse(headers={"Content-Length": str(len(data))})
            await response.prepare(request)
            await response.write(data[:50_000])
            assert request.transport is not None
            request.transport.close()
            return response
        return web.Response(body=data)

    server.replace(PHOTOS, plain)
    assert_whole(fetch(server.address, store, ACCESS, None), store, bucket)
    assert set(starts) == {None}


def test_fetch__a_source_whose_file_is_longer_than_it_says_is_refused(
    server: Server, bucket: Path, store: Store
) -> None:
    async def lying(request: web.Request) -> web.StreamResponse:
        if request.method == "HEAD":
            return web.Response(headers={"Content-Length": "1000", "ETag": '"one"'})
        response = web.StreamResponse(headers={"ETag": '"one"'})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write((bucket / PHOTOS).read_bytes())
        return response

    server.replace(PHOTOS, lying)
    with pytest.raises(SnapshotDamaged, match=r"has 1000 bytes at the source, \d+ were received"):
        fetch(server.address, store, ACCESS.model_copy(update={"retries": 1}), None)
    assert store.list("snapshots") == []


def test_fetch__says_how_far_and_how_fast_it_is(
    server: Server, store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mushroom_tasks.progress")
    leave_half(server, store)
    fetch(server.address, store, ACCESS, tmp_path / "progress")
    # Another test may have made the server's own log louder; it writes into the same one.
    said = [record.getMessage() for record in caplog.records if record.name == "mushroom_tasks.progress"]
    assert "kB of" in said[-1]
    assert "(100%)" in said[-1]
    assert "B/s" in said[-1]
    shown = json.loads((tmp_path / "progress" / "snapshot.json").read_text())
    assert shown["done"] == shown["total"]


def test_held__is_let_go_of_and_survives_deletion(tmp_path: Path) -> None:
    folder = tmp_path / "incoming"
    with held(folder), pytest.raises(StorageError, match=os.fspath(folder)), held(folder):
        pass
    with held(folder):
        (folder / "lock").unlink()
        folder.rmdir()
    with held(folder):
        assert folder.is_dir()
