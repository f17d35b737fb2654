"""What a fetch asks of the disk, how it works on a remote store, and how old snapshots are deleted."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections import namedtuple
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from archived_bucket import DATE, members_of, write_archive
from bucket_server import Server
from small_bucket import SmallBucket, ordinary

from mushroom_tasks.disk import RESERVE
from mushroom_tasks.errors import SnapshotDamaged, StorageFull
from mushroom_tasks.inat.snapshots.partial import held
from mushroom_tasks.inat.snapshots.snapshot import FetchedSnapshot, clean, fetch
from mushroom_tasks.inat.tables import FILES
from mushroom_tasks.settings import SourceSettings
from mushroom_tasks.storage import Store

ACCESS = SourceSettings(retries=0, timeout=5)
ARCHIVE = ACCESS.model_copy(update={"snapshot": DATE})
Usage = namedtuple("Usage", ["free"])
WEEK = 7 * 86_400


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    return ordinary().write(tmp_path / "bucket")


@pytest.fixture
def remote() -> Iterator[Store]:
    store = Store(f"memory://{uuid.uuid4().hex}")
    yield store
    store.delete("", recursive=True)


@pytest.fixture
def server(bucket: Path) -> Iterator[Server]:
    server = Server(bucket)
    yield server
    server.stop()


def size_of(bucket: Path) -> int:
    return sum((bucket / name).stat().st_size for name in FILES)


def test_fetch__asks_for_room_before_it_fetches(bucket: Path, server: Server, store: Store) -> None:
    need = size_of(bucket) + RESERVE
    with pytest.raises(StorageFull, match=rf"{need} bytes.*below .*\({need - 1} bytes\) are free.*1 bytes are missing"):
        fetch(server.address, store, ACCESS, None, disk_usage=lambda _: Usage(need - 1))
    assert {method for method, _ in server.requests} == {"HEAD"}
    fetch(server.address, store, ACCESS, None, disk_usage=lambda _: Usage(need))


def test_fetch__asks_for_room_where_the_files_go(bucket: Path, store: Store, remote: Store, tmp_path: Path) -> None:
    asked: list[Path] = []

    def disk_usage(path: Path) -> Usage:
        asked.append(path)
        return Usage(shutil.disk_usage(path).free)

    fetch(str(bucket), store, ACCESS, None, disk_usage=disk_usage)
    fetch(str(bucket), remote, ACCESS, None, partial=tmp_path / "partial", disk_usage=disk_usage)
    assert asked[0].is_relative_to(store.root)
    assert asked[1].is_relative_to(tmp_path / "partial")


def test_fetch__counts_what_an_archive_unpacks_to(bucket: Path, store: Store) -> None:
    size = write_archive(bucket, members_of(bucket)).stat().st_size
    with pytest.raises(StorageFull, match="the archive together with the tables taken out of it"):
        fetch(str(bucket), store, ARCHIVE, None, disk_usage=lambda _: Usage(2 * size + RESERVE))
    fetch(str(bucket), store, ARCHIVE, None, disk_usage=lambda _: Usage(int(2.2 * size) + RESERVE))


def test_fetch__asks_only_for_what_is_not_here_yet(bucket: Path, server: Server, store: Store) -> None:
    server.cuts["observers.csv.gz"] = [10]
    with pytest.raises(SnapshotDamaged):
        fetch(server.address, store, ACCESS, None)
    rest = (bucket / "observers.csv.gz").stat().st_size - 10
    fetch(server.address, store, ACCESS, None, disk_usage=lambda _: Usage(rest + RESERVE))


def test_fetch__works_with_a_remote_store(bucket: Path, server: Server, remote: Store, tmp_path: Path) -> None:
    partial = tmp_path / "partial"
    server.cuts["photos.csv.gz"] = [100]
    with pytest.raises(SnapshotDamaged):
        fetch(server.address, remote, ACCESS, None, partial=partial)
    assert [path.stat().st_size for path in partial.rglob("photos.csv.gz")] == [100]
    snapshot = fetch(server.address, remote, ACCESS, None, partial=partial)
    assert [served.start for served in server.served if served.name == "photos.csv.gz"] == [0, 100]
    assert remote.list(snapshot.folder) == sorted([*FILES, "snapshot.json"])
    for name in FILES:
        assert remote.read_bytes(f"{snapshot.folder}/{name}") == (bucket / name).read_bytes()
    assert list(partial.iterdir()) == []
    server.requests.clear()
    assert fetch(server.address, remote, ACCESS, None, partial=partial) == snapshot
    assert {method for method, _ in server.requests} == {"HEAD"}


def test_fetch__takes_an_archive_into_a_remote_store(bucket: Path, remote: Store, store: Store, tmp_path: Path) -> None:
    write_archive(bucket, members_of(bucket))
    snapshot = fetch(str(bucket), remote, ARCHIVE, None)
    assert snapshot.fingerprint == fetch(str(bucket), store, ACCESS, None).fingerprint
    assert remote.list(snapshot.folder) == sorted([*FILES, "snapshot.json"])


def test_fetch__replaces_what_an_interrupted_upload_left(bucket: Path, remote: Store, tmp_path: Path) -> None:
    snapshot = fetch(str(bucket), remote, ACCESS, None)
    remote.delete(f"{snapshot.folder}/snapshot.json")
    remote.write_bytes(f"{snapshot.folder}/photos.csv.gz", b"half")
    assert fetch(str(bucket), remote, ACCESS, None) == snapshot
    assert remote.read_bytes(f"{snapshot.folder}/photos.csv.gz") == (bucket / "photos.csv.gz").read_bytes()


def fetch_months(bucket: Path, store: Store, count: int) -> list[FetchedSnapshot]:
    """Fetch that many snapshots, as if one a month, oldest first."""
    fetched = []
    for month in range(1, count + 1):
        changed: SmallBucket = ordinary()
        changed.observe(900 + month, 21, 3, [900 + month])
        changed.write(bucket)
        snapshot = fetch(str(bucket), store, ACCESS, None)
        path = f"{snapshot.folder}/snapshot.json"
        store.write_json(path, {**store.read_json(path), "fetched_at": datetime(2025, month, 27).isoformat()})
        fetched.append(snapshot)
    return fetched


@pytest.mark.parametrize("kind", ["local", "remote"])
def test_clean__keeps_the_newest_and_what_is_needed(bucket: Path, store: Store, remote: Store, kind: str) -> None:
    used = store if kind == "local" else remote
    names = [snapshot.fingerprint for snapshot in fetch_months(bucket, used, 5)]
    assert clean(used, keep=2, spare=[names[0]]) == [names[2], names[1]]
    assert used.list("snapshots") == sorted([names[0], names[3], names[4]])
    assert clean(used, keep=2, spare=[names[0]]) == []
    assert clean(used, keep=1, spare=[]) == [names[3], names[0]]


def test_clean__of_an_empty_store_does_nothing(store: Store, remote: Store, tmp_path: Path) -> None:
    assert clean(store, keep=1, spare=[]) == []
    assert clean(remote, keep=1, spare=[], partial=tmp_path / "none") == []


def test_clean__deletes_what_nobody_comes_back_for(bucket: Path, server: Server, store: Store) -> None:
    (snapshot,) = fetch_months(bucket, store, 1)
    left = Path(store.path("snapshots/0123456789abcdef"))
    left.mkdir(parents=True)
    (left / "taxa.csv.gz").write_bytes(b"half")
    incoming = Path(store.path("incoming/of-another-source"))
    (incoming / "tables").mkdir(parents=True)
    (incoming / "tables" / "photos.csv.gz").write_bytes(b"half")

    clean(store, keep=1, spare=[])
    assert left.exists(), "someone may be about to go on"
    assert incoming.exists(), "someone may be about to go on"

    old = time.time() - WEEK - 60
    for path in [*left.rglob("*"), *incoming.rglob("*")]:
        os.utime(path, (old, old))
    with held(incoming):
        os.utime(incoming / "lock", (old, old))
        clean(store, keep=1, spare=[])
        assert incoming.exists(), "a process holds it"
    assert not left.exists()
    clean(store, keep=1, spare=[])
    assert not incoming.exists()
    assert store.list("snapshots") == [snapshot.fingerprint]


def test_clean__deletes_partial_files_of_a_remote_store(bucket: Path, remote: Store, tmp_path: Path) -> None:
    part = tmp_path / "partial" / "of-another-source" / "tables" / "photos.csv.gz"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")
    os.utime(part, (1, 1))
    clean(remote, keep=1, spare=[], partial=tmp_path / "partial")
    assert list((tmp_path / "partial").iterdir()) == []


def test_settings__name_a_snapshot_by_word_or_date() -> None:
    for value in ("root", "latest", "20250927"):
        assert SourceSettings(snapshot=value).snapshot == value
    for value in ("", "newest", "2025-09-27", "20251301", "../../etc"):
        with pytest.raises(ValueError, match="root, latest, or the date of an archive as YYYYMMDD"):
            SourceSettings(snapshot=value)
