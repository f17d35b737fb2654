"""Loads and rollbacks that are killed: rows, history and the way back stay in step."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from loads import Loads, later, photo_ids, withdrawn_ids
from small_bucket import SPECIES, ordinary
from sqlalchemy import Engine

from mushroom_tasks.errors import RollbackError
from mushroom_tasks.inat.refresh.history import (
    latest_load,
    loads,
    rollback,
)
from mushroom_tasks.storage import Store

FIRST = SPECIES[0]


_KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import create_engine, event
from mushroom_tasks.inat.refresh import history
from mushroom_tasks.inat.loading import ingest
from mushroom_tasks.inat.snapshots.snapshot import FetchedSnapshot
from mushroom_tasks.settings import IngestSettings
from mushroom_tasks.storage import Store

what, moment, url, store, fingerprint = sys.argv[1:]
engine = create_engine(url)

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def after(connection, cursor, statement, *_):
    if moment == "in the middle" and ("DROP SCHEMA incoming" in statement or "DROP TABLE public.taxa" in statement):
        die()

event.listen(engine, "after_cursor_execute", after)
if moment == "before the commit":
    event.listen(engine, "commit", die)
if what == "rollback":
    history.rollback(engine)
else:
    ingest.load(engine, Store(store), FetchedSnapshot(fingerprint, f"snapshots/{fingerprint}", {}, 1), source="h",
                root_taxa=(10,), settings=IngestSettings(min_kept_ratio=0), progress_folder=None)
die()
"""


def _killed(what: str, moment: str, database: str, store: Store, fingerprint: str = "") -> None:
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, what, moment, database, store.root, fingerprint],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ},
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("moment", ["in the middle", "before the commit"])
def test_rollback__that_is_killed_has_changed_nothing(
    engine: Engine, database: str, load_bucket: Loads, moment: str
) -> None:
    first, second = load_bucket(ordinary()), load_bucket(later())
    photos = photo_ids(engine)

    _killed("rollback", moment, database, load_bucket.store)

    assert photo_ids(engine) == photos
    assert [row.fingerprint for row in loads(engine)] == [second, first]
    assert rollback(engine).fingerprint == first


def test_rollback__that_is_killed_after_its_end_is_not_done_twice(
    engine: Engine, database: str, load_bucket: Loads
) -> None:
    load_bucket(ordinary())
    second = load_bucket(later())
    load_bucket(ordinary())

    _killed("rollback", "at the end", database, load_bucket.store)

    with pytest.raises(RollbackError, match="rolled back already"):
        rollback(engine)
    assert latest_load(engine).fingerprint == second  # type: ignore[union-attr]


@pytest.mark.parametrize("moment", ["in the middle", "before the commit"])
def test_load__killed_during_the_swap_leaves_rows_history_and_rollback_as_they_were(
    engine: Engine, database: str, load_bucket: Loads, moment: str
) -> None:
    first, second = load_bucket(ordinary()), load_bucket(later())
    bucket = later()
    bucket.observe(501, FIRST, 9, [502])

    _killed("load", moment, database, load_bucket.store, load_bucket.fetched(bucket).fingerprint)

    assert 502 not in photo_ids(engine)
    assert [row.fingerprint for row in loads(engine)] == [second, first]
    assert withdrawn_ids(engine) == [1, 2]
    assert rollback(engine).fingerprint == first


def test_load__killed_after_the_swap_is_whole(engine: Engine, database: str, load_bucket: Loads) -> None:
    load_bucket(ordinary())
    second = load_bucket.fetched(later()).fingerprint

    _killed("load", "at the end", database, load_bucket.store, second)

    assert latest_load(engine).fingerprint == second  # type: ignore[union-attr]
    assert 500 in photo_ids(engine)
    assert withdrawn_ids(engine) == [1, 2]
