"""Loads that are killed at any point, that lose their connection, and that meet readers or each other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from loads import fetched, load_small, scalar
from small_bucket import SPECIES, SmallBucket, ordinary
from sqlalchemy import Engine, create_engine, text

from mushroom_tasks.errors import DatabaseError
from mushroom_tasks.inat.refresh.history import loads, rollback, wait_for_turn
from mushroom_tasks.storage import Store

OLD = {"taxa": 9, "observations": 33, "photos": 33, "observers": 8}
NEW = {"taxa": 9, "observations": 34, "photos": 34, "observers": 9}

# The process that is killed. It ends itself, so that the point is exact: when it opens or deletes a certain file, or
# before or after a certain statement.
DOOMED = """
import os, signal, sys
from sqlalchemy import create_engine, event
from mushroom_tasks.inat.loading.ingest import load
from mushroom_tasks.inat.snapshots.snapshot import FetchedSnapshot
from mushroom_tasks.settings import IngestSettings
from mushroom_tasks.storage import Store

url, store, fingerprint, moment, what = sys.argv[1:]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

class DeadlyStore(Store):
    def open(self, path, *more):
        if moment == "open" and what in path:
            die()
        return super().open(path, *more)

    def delete(self, path, **more):
        if moment == "delete" and what in path:
            die()
        super().delete(path, **more)

engine = create_engine(url, connect_args={"application_name": "doomed"})
if moment == "commit":
    event.listen(engine, "commit", die)
if moment in ("before", "after"):
    event.listen(engine, moment + "_cursor_execute", lambda *call: what in call[2] and die())
load(engine, DeadlyStore(store), FetchedSnapshot(fingerprint, f"snapshots/{fingerprint}", {}, 1), source="h",
     root_taxa=(10,), settings=IngestSettings(), progress_folder=None)
"""
MOMENTS = {
    "while the taxa are copied": ("open", "taxa"),
    "while the observations are copied": ("open", "observations"),
    "while the photos are copied": ("open", "photos"),
    "while the observers are copied": ("open", "observers"),
    "between two indexes": ("before", "CREATE INDEX ix_photos"),
    "before the swap": ("before", "LOCK TABLE"),
    "after the swap": ("after", "LOCK TABLE"),
    "before the commit": ("commit", ""),
}


def _doomed(database: str, store: Store, fingerprint: str, moment: str, what: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", DOOMED, database, str(store.root), fingerprint, moment, what])


def _next(bucket: SmallBucket) -> SmallBucket:
    bucket.observe(500, SPECIES[0], 9, [500])
    return bucket


def _rows(engine: Engine) -> dict[str, object]:
    return {name: scalar(engine, f"SELECT count(*) FROM {name}") for name in OLD}


def _wait_until_gone(engine: Engine) -> None:
    """Wait until the server has noticed that the process is dead."""
    deadline = time.monotonic() + 60
    while scalar(engine, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'doomed'"):
        assert time.monotonic() < deadline, "the server still serves a process that was killed"
        time.sleep(0.05)


def _require_tidy(engine: Engine) -> None:
    assert scalar(engine, "SELECT count(*) FROM pg_namespace WHERE nspname = 'incoming'") == 0
    assert scalar(engine, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


@pytest.mark.parametrize("moment", MOMENTS)
def test_load__killed_before_its_end_leaves_the_old_rows(
    engine: Engine, database: str, store: Store, tmp_path: Path, moment: str
) -> None:
    first = fetched(ordinary(), store, tmp_path / "bucket")
    load_small(engine, store, first)
    second = fetched(_next(ordinary()), store, tmp_path / "next")
    assert _doomed(database, store, second.fingerprint, *MOMENTS[moment]).wait(60) == -signal.SIGKILL
    _wait_until_gone(engine)
    _require_tidy(engine)
    assert _rows(engine) == OLD
    assert [load.fingerprint for load in loads(engine)] == [first.fingerprint]
    load_small(engine, store, second)
    assert _rows(engine) == NEW
    assert [load.fingerprint for load in loads(engine)] == [second.fingerprint, first.fingerprint]
    _require_tidy(engine)


def test_load__killed_in_the_swap_leaves_the_old_rows(
    engine: Engine, database: str, store: Store, tmp_path: Path
) -> None:
    first = fetched(ordinary(), store, tmp_path / "bucket")
    load_small(engine, store, first)
    second = fetched(_next(ordinary()), store, tmp_path / "next")
    with engine.connect() as reader:
        reader.execute(text("SELECT count(*) FROM observers")).scalar()  # the swap waits for this transaction
        doomed = _doomed(database, store, second.fingerprint, "never", "")
        deadline = time.monotonic() + 60
        while not scalar(engine, "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"):
            assert doomed.poll() is None
            assert time.monotonic() < deadline, "the load does not come to its swap"
            time.sleep(0.05)
        os.kill(doomed.pid, signal.SIGKILL)
        doomed.wait(60)
    _wait_until_gone(engine)
    _require_tidy(engine)
    assert _rows(engine) == OLD
    assert len(loads(engine)) == 1
    load_small(engine, store, second)
    assert _rows(engine) == NEW
    assert [load.fingerprint for load in loads(engine)] == [second.fingerprint, first.fingerprint]


def test_load__killed_after_the_commit_has_loaded_the_new_rows(
    engine: Engine, database: str, store: Store, tmp_path: Path
) -> None:
    first = fetched(ordinary(), store, tmp_path / "bucket")
    load_small(engine, store, first)
    second = fetched(_next(ordinary()), store, tmp_path / "next")
    assert _doomed(database, store, second.fingerprint, "delete", "quarantine").wait(60) == -signal.SIGKILL
    _wait_until_gone(engine)
    _require_tidy(engine)
    assert _rows(engine) == NEW
    assert [load.fingerprint for load in loads(engine)] == [second.fingerprint, first.fingerprint]


def test_load__lets_readers_see_all_old_or_all_new_rows(engine: Engine, store: Store, tmp_path: Path) -> None:
    small, large = ordinary(), ordinary()
    large.observe(700, SPECIES[0], 9, list(range(1000, 1400)))
    snapshots = [fetched(small, store, tmp_path / "small"), fetched(large, store, tmp_path / "large")]
    load_small(engine, store, snapshots[0])
    seen, stop = set(), threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(
                scalar(engine, "SELECT (SELECT count(*) FROM photos) * 1000 + (SELECT count(*) FROM observations)")
            )

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for snapshot in (snapshots[1], snapshots[0], snapshots[1]):
            load_small(engine, store, snapshot, min_kept_ratio=0, min_rows_ratio=0)
    finally:
        stop.set()
        reader.join()
    assert seen == {33_033, 433_034}


def test_load__that_another_process_did_meanwhile_is_not_done_twice(
    engine: Engine, store: Store, tmp_path: Path
) -> None:
    first = fetched(ordinary(), store, tmp_path / "bucket")
    load_small(engine, store, first)
    bucket = _next(ordinary())
    bucket.photos[3] = (*bucket.photos[3][:1], "no number", *bucket.photos[3][2:])
    second = fetched(bucket, store, tmp_path / "next")
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with ThreadPoolExecutor(2) as pool, engine.begin() as connection:
        wait_for_turn(connection)
        both = [pool.submit(load_small, engine, store, second, max_malformed_ratio=0.1) for _ in range(2)]
        deadline = time.monotonic() + 60
        while scalar(engine, waiting) != 2:
            assert time.monotonic() < deadline, "the loads do not come to wait for their turn"
            time.sleep(0.05)
    one, other = (report.result() for report in both)

    assert one == other
    assert one.quarantine is not None
    assert store.exists(one.quarantine)
    assert [load.fingerprint for load in loads(engine)] == [second.fingerprint, first.fingerprint]
    assert rollback(engine).fingerprint == first.fingerprint
    assert _rows(engine) == OLD


def test_load__reports_a_lost_connection_and_keeps_the_earlier_rows(
    engine: Engine, database: str, store: Store, tmp_path: Path
) -> None:
    load_small(engine, store, fetched(ordinary(), store, tmp_path / "bucket"))
    bucket = ordinary()
    for number in (500, 501):  # positions have 16 bits
        bucket.observe(number, SPECIES[0], 9, list(range(number * 100_000, number * 100_000 + 29_500)))
    snapshot = fetched(bucket, store, tmp_path / "next")
    other = create_engine(database.replace("&port", "&application_name=doomed&port"))
    done = threading.Event()

    def cut() -> None:
        while not done.is_set():
            scalar(
                engine,
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE application_name = 'doomed' AND query LIKE 'COPY incoming.photos%'",
            )
            time.sleep(0.005)

    killer = threading.Thread(target=cut)
    killer.start()
    try:
        with pytest.raises(DatabaseError, match=r"(?s)refuses or is gone.*unchanged"):
            load_small(other, store, snapshot)
    finally:
        done.set()
        killer.join()
        other.dispose()
    assert scalar(engine, "SELECT count(*) FROM photos") == 33
    assert load_small(engine, store, snapshot).tables["photos"].kept == 33 + 59_000
