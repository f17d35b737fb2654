"""photos.download as a whole: run again, killed, without a source, without space, from a folder."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from worst_bucket import SETTINGS, Bucket, body, download_one, hang_up, photo, rows, slow

from mushroom_tasks import manifests
from mushroom_tasks.errors import DownloadError, SourceUnreachable, StorageError, StorageFull
from mushroom_tasks.photos import fetch
from mushroom_tasks.photos.download import download
from mushroom_tasks.photos.failures import Failures, check_failed_ratio, is_settled
from mushroom_tasks.progress import size
from mushroom_tasks.storage import Store


def test_download__does_not_fetch_again_what_is_stored(bucket: Bucket, store: Store) -> None:
    for photo_id in range(10):
        bucket.serve(photo_id, body(photo(photo_id)))
    bucket.serve(10, body(b"", 503))
    first = download(rows(*range(11)), bucket.address, store, SETTINGS)
    bucket.requests.clear()
    bucket.serve(10, body(photo(10)))
    store.write_bytes("photos/medium/003/3.jpg", photo(3)[:-300])
    store.write_bytes("photos/medium/004/4.jpg", b"")
    second = download(rows(*range(11)), bucket.address, store, SETTINGS)
    assert sorted(bucket.requests) == [3, 4, 10]
    assert second["status"].to_pylist() == ["ok"] * 11
    assert second.slice(0, 10).equals(first.slice(0, 10))


def test_download__trusts_an_earlier_manifest_by_size(bucket: Bucket, store: Store) -> None:
    for photo_id in range(4):
        bucket.serve(photo_id, body(photo(photo_id)))
    bucket.serve(4, body(b"", 404), body(photo(4)))
    earlier = download(rows(*range(5)), bucket.address, store, SETTINGS)
    bucket.requests.clear()
    data = store.read_bytes("photos/medium/001/1.jpg")
    store.write_bytes("photos/medium/001/1.jpg", bytes(len(data)))
    store.write_bytes("photos/medium/002/2.jpg", b"cut")
    store.delete("photos/medium/003/3.jpg")
    bucket.answers[4] = [body(photo(4))]
    table = download(rows(*range(5)), bucket.address, store, SETTINGS, earlier=earlier)
    assert sorted(bucket.requests) == [2, 3, 4], "0 and 1 have the size they had"
    assert table["status"].to_pylist() == ["ok"] * 5
    download(rows(1), bucket.address, store, SETTINGS)
    assert 1 in bucket.requests, "without the manifest the content is looked at"


def test_download__goes_on_after_it_was_killed(bucket: Bucket, store: Store) -> None:
    for photo_id in range(40):
        bucket.serve(photo_id, slow(photo(photo_id), 0.3))
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
    while len(bucket.requests) < 12:
        assert process.poll() is None
        assert time.monotonic() < deadline, f"{len(bucket.requests)} requests in a minute"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    stored = {
        int(name.removesuffix(".jpg"))
        for folder in store.list("photos/medium")
        for name in store.list(f"photos/medium/{folder}")
    }
    assert 5 <= len(stored) < 40
    bucket.requests.clear()
    table = download(rows(*range(40)), bucket.address, store, SETTINGS)
    assert table["status"].to_pylist() == ["ok"] * 40
    assert set(bucket.requests) == set(range(40)) - stored
    assert store.read_bytes("photos/medium/039/39.jpg") == photo(39)


def test_download__says_soon_that_nobody_answers(store: Store) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        start = time.monotonic()
        with pytest.raises(SourceUnreachable, match=f"{address} cannot be reached: no connection") as caught:
            download(rows(*range(5000)), address, store, SETTINGS)
    assert time.monotonic() - start < 60, "5,000 photos are not tried one by one"
    assert isinstance(caught.value.__cause__, Exception)


@pytest.mark.parametrize("address", ["http://no-such-host.invalid", "https://127.0.0.1:1", "http://:80"])
def test_download__says_soon_that_there_is_no_such_host(store: Store, address: str) -> None:
    with pytest.raises(SourceUnreachable, match=address):
        download(rows(*range(50)), address, store, SETTINGS)


def test_download__gives_up_on_a_source_that_fails_for_everything(
    bucket: Bucket, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "MAX_FAILED_IN_A_ROW", 20)
    for photo_id in range(500):
        bucket.serve(photo_id, body(b"", 500))
    with pytest.raises(SourceUnreachable, match=r"failed for 20 photos in a row, each tried 3 times.*HTTP 500"):
        download(rows(*range(500)), bucket.address, store, SETTINGS)
    assert len(bucket.requests) < 60


def test_download__goes_on_while_some_photos_come(
    bucket: Bucket, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "MAX_FAILED_IN_A_ROW", 20)
    for photo_id in range(100):
        bucket.serve(photo_id, body(b"", 500) if photo_id % 5 else body(photo()))
    table = download(rows(*range(100)), bucket.address, store, SETTINGS)
    assert Counter(table["failure"].to_pylist()) == {None: 20, "http_error": 80}


def test_download__one_photo_that_always_fails_is_not_the_source(bucket: Bucket, store: Store) -> None:
    for _ in range(2):
        assert download_one(bucket, store, hang_up)["failure"] == "connection"


def test_download__reads_a_folder_like_a_bucket(bucket: Bucket, store: Store, tmp_path: Path) -> None:
    contents = {1: photo(1), 2: b"", 3: b"<html>", 4: photo(4)[:-300], 6: b"x" * 2_000_000}
    for photo_id, data in contents.items():
        path = tmp_path / "bucket" / "photos" / str(photo_id) / "medium.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        bucket.serve(photo_id, body(data))
    bucket.serve(5, body(b"", 404))
    wanted = rows(1, 2, 3, 4, 5, 6)
    from_folder = download(wanted, str(tmp_path / "bucket"), store, SETTINGS)
    from_web = download(wanted, bucket.address, Store(tmp_path / "other"), SETTINGS)
    assert from_folder["failure"].to_pylist() == [None, "empty", "html", "truncated", "missing", "too_large"]
    assert from_folder.drop_columns(["detail"]).equals(from_web.drop_columns(["detail"]))
    assert "medium.jpg" in from_folder["detail"].to_pylist()[4]


@pytest.mark.parametrize("source", ["nowhere", "ftp://example.org/bucket", ""])
def test_download__names_a_source_without_photos(store: Store, tmp_path: Path, source: str) -> None:
    with pytest.raises(SourceUnreachable, match="HTTP"):
        download(rows(1), source and source.replace("nowhere", str(tmp_path)), store, SETTINGS)


class _FullFileSystem(MemoryFileSystem):
    """An object store that takes 5 files and then has no space left."""

    protocol = "full"
    store: dict[str, Any] = {}  # noqa: RUF012 - fsspec keeps the memory file system's content on the class
    pseudo_dirs = [""]  # noqa: RUF012
    one_at_a_time = threading.Lock()

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        with self.one_at_a_time:
            if len(self.store) >= 5:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            super().pipe_file(path, value, mode, **options)


def test_download__stops_when_the_store_is_full(bucket: Bucket) -> None:
    fsspec.register_implementation("full", _FullFileSystem, clobber=True)
    for photo_id in range(300):
        bucket.serve(photo_id, body(photo(photo_id)))
    store = Store("full://store")
    with pytest.raises(StorageFull, match="no space left"):
        download(rows(*range(300)), bucket.address, store, SETTINGS)
    assert len(bucket.requests) < 60, "one full disk ends the work for all"
    assert len(_FullFileSystem.store) == 5


def test_download__stops_when_the_store_cannot_be_written(bucket: Bucket, store: Store) -> None:
    store.write_bytes("photos/medium/007", b"a file where a folder should be")
    bucket.serve(7, body(photo()))
    with pytest.raises(StorageError, match="photo 7 cannot be kept in the store"):
        download(rows(7), bucket.address, store, SETTINGS)


def test_download__tells_its_progress(bucket: Bucket, store: Store, tmp_path: Path) -> None:
    data = photo()
    for photo_id in range(5):
        bucket.serve(photo_id, body(data) if photo_id else body(b"", 404))
    download(rows(1, 2), bucket.address, store, SETTINGS)
    download(rows(*range(5)), bucket.address, store, SETTINGS, tmp_path / "progress")
    told = json.loads((tmp_path / "progress" / "download.json").read_text())
    assert told.pop("rate").endswith("B/s")
    assert told == {
        "stage": "download",
        "done": 5,
        "total": 5,
        "unit": "photos",
        "ok": 2,
        "failed": 1,
        "kept": 2,
        "fetched": size(2 * len(data)),
    }


def _failures(*failures: str | None) -> Failures:
    rows = [
        {
            "photo_id": 100 + n,
            "status": "failed" if failure else "ok",
            "failure": failure,
            "detail": failure and f"what photo {100 + n} got",
        }
        for n, failure in enumerate(failures)
    ]
    found = Failures()
    for batch in pa.Table.from_pylist(rows, schema=manifests.DOWNLOADS).to_batches(max_chunksize=2):
        found.add(batch)
    return found


def test_check_failed_ratio__counts_by_reason() -> None:
    found = _failures(None, None, "html", "missing", "missing")
    with pytest.raises(DownloadError) as caught:
        check_failed_ratio(found, 0.5)
    message = str(caught.value)
    assert message.startswith("3 of 5 photos failed (60.0%)")
    assert "missing 2, html 1" in message
    assert "photo 103: what photo 103 got" in message
    assert "download.size" in message


def test_check_failed_ratio__allows_what_is_set() -> None:
    for found, ratio in ((_failures(), 0.0), (_failures(None), 0.0), (_failures(None, "html"), 0.5)):
        assert check_failed_ratio(found, ratio) is None  # type: ignore[func-returns-value]
    with pytest.raises(DownloadError, match="1 of 2"):
        check_failed_ratio(_failures(None, "html"), 0.49)


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
    assert is_settled(_failures(*failures), 0.5) is settled


@pytest.mark.shared
def test_download__brings_every_obtainable_photo_of_a_real_bucket(shared_bucket: Path, store: Store) -> None:
    with (shared_bucket / "truth.csv").open(newline="") as file:
        truth = {int(row["photo_id"]): row["fault"] for row in csv.DictReader(file)}
    table = download(rows(*truth), str(shared_bucket), store, SETTINGS.model_copy(update={"max_bytes": 30_000_000}))
    bad = {"missing", "empty", "truncated", "html"}
    failures = dict(zip(table["photo_id"].to_pylist(), table["failure"].to_pylist(), strict=True))
    assert failures == {photo_id: fault if fault in bad else None for photo_id, fault in truth.items()}
