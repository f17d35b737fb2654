"""The history of loads and one step back in it, on a real PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from small_bucket import ROOTS, SPECIES, SmallBucket, ordinary
from sqlalchemy import Engine, create_engine, inspect, text

from mushroom_tasks.db import embedded
from mushroom_tasks.db.engine import alembic_config, migrate
from mushroom_tasks.db.models import Base
from mushroom_tasks.errors import DatabaseError, RollbackError
from mushroom_tasks.inat.loading.ingest import load
from mushroom_tasks.inat.refresh.history import (
    kept_for_rollback,
    latest_load,
    loads,
    remember_validators,
    rollback,
    undone_load,
    wait_for_turn,
    withdrawn,
)
from mushroom_tasks.inat.selecting.selection import select
from mushroom_tasks.inat.snapshots.snapshot import FetchedSnapshot, fetch
from mushroom_tasks.inat.tables import TABLES
from mushroom_tasks.settings import IngestSettings, SelectionSettings, SourceSettings
from mushroom_tasks.storage import Store

FIRST = SPECIES[0]


class Loads:
    """Loads buckets into one database, each from a folder of its own."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder, self.number = engine, folder, 0
        self.store = Store(folder / "store")

    def fetched(self, bucket: SmallBucket) -> FetchedSnapshot:
        self.number += 1
        return fetch(str(bucket.write(self.folder / f"bucket{self.number}")), self.store, SourceSettings(), None)

    def __call__(self, bucket: SmallBucket, roots: tuple[int, ...] = ROOTS) -> str:
        """Load a bucket and return the snapshot's fingerprint."""
        snapshot = self.fetched(bucket)
        load(
            self.engine, self.store, snapshot, source="here", root_taxa=roots,
            settings=IngestSettings(min_kept_ratio=0), progress_folder=None,
        )  # fmt: skip
        return snapshot.fingerprint


@pytest.fixture
def load_bucket(engine: Engine, tmp_path: Path) -> Loads:
    return Loads(engine, tmp_path)


def _later() -> SmallBucket:
    """The ordinary bucket a month later: photos 500 and 501 are new, 1 and 2 are gone."""
    bucket = ordinary()
    bucket.observe(500, FIRST, 9, [500, 501])
    bucket.photos = [row for row in bucket.photos if row[1] not in (1, 2)]
    return bucket


def _photo_ids(engine: Engine) -> set[int]:
    with engine.connect() as connection:
        return set(connection.execute(text("SELECT photo_id FROM photos")).scalars())


def _is_withdrawn(engine: Engine) -> list[int]:
    return withdrawn(engine)["photo_id"].to_pylist()


# --- history


def test_loads__are_kept_with_counts_findings_and_changes(engine: Engine, load_bucket: Loads) -> None:
    assert (loads(engine), latest_load(engine), kept_for_rollback(engine)) == ([], None, None)
    first, second = load_bucket(ordinary()), load_bucket(_later())

    newest, oldest = loads(engine)

    assert [(row.kind, row.fingerprint) for row in (oldest, newest)] == [("load", first), ("load", second)]
    assert oldest.changes is None
    assert newest.changes is not None
    assert newest.changes["since"] == first
    assert newest.changes["totals"]["added"] == 2
    assert newest.counts["photos"]["kept"] == 33
    assert newest.findings["observations_without_photo"] == 2


def test_loads__a_missing_comparison_is_null_and_no_json(engine: Engine, load_bucket: Loads) -> None:
    load_bucket(ordinary())

    with engine.connect() as connection:
        assert connection.scalar(text("SELECT changes IS NULL FROM snapshots"))


def test_remember_validators__of_the_loaded_and_the_undone_snapshot(engine: Engine, load_bucket: Loads) -> None:
    first, second = load_bucket(ordinary()), load_bucket(_later())
    rollback(engine)

    for fingerprint in (first, second, "another"):
        remember_validators(engine, fingerprint, {"taxa.csv.gz": {"etag": fingerprint}})

    undone = undone_load(engine)
    assert latest_load(engine).validators == {"taxa.csv.gz": {"etag": first}}  # type: ignore[union-attr]
    assert undone is not None
    assert undone.validators == {"taxa.csv.gz": {"etag": second}}


# --- rollback


def test_rollback__brings_back_what_the_tables_held(engine: Engine, load_bucket: Loads) -> None:
    first, second = load_bucket(ordinary()), load_bucket(_later())
    assert _photo_ids(engine) >= {500, 501}

    restored = rollback(engine)

    assert (restored.kind, restored.fingerprint, restored.counts["photos"]["kept"]) == ("rollback", first, 33)
    assert _photo_ids(engine).isdisjoint({500, 501})
    assert _photo_ids(engine) >= {1, 2}
    latest, undone = latest_load(engine), undone_load(engine)
    assert latest is not None
    assert undone is not None
    assert (latest.id, latest.fingerprint, undone.fingerprint) == (restored.id, first, second)
    assert [row.kind for row in loads(engine)] == ["rollback", "load", "load"]


def test_rollback__leaves_the_schema_as_the_models_say(engine: Engine, load_bucket: Loads) -> None:
    load_bucket(ordinary())
    load_bucket(_later())
    rollback(engine)

    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    assert inspect(engine).get_schema_names() == ["information_schema", "public"]
    assert inspect(engine).get_pk_constraint("photos")["name"] == "pk_photos"
    assert load_bucket(_later()) == latest_load(engine).fingerprint  # type: ignore[union-attr]


def test_rollback__is_what_select_sees(engine: Engine, load_bucket: Loads) -> None:
    settings = SelectionSettings(min_photos_per_species=1)
    load_bucket(ordinary())
    before = select(engine, ROOTS, settings)
    load_bucket(_later())
    assert select(engine, ROOTS, settings) != before

    rollback(engine)

    assert select(engine, ROOTS, settings) == before


def test_rollback__goes_back_to_other_root_taxa_too(engine: Engine, load_bucket: Loads) -> None:
    load_bucket(ordinary())
    load_bucket(ordinary(), roots=(100,))

    assert rollback(engine).root_taxa == list(ROOTS)
    assert len(_photo_ids(engine)) == 33


def test_rollback__twice_is_refused(engine: Engine, load_bucket: Loads) -> None:
    for bucket in (ordinary(), _later(), ordinary()):
        load_bucket(bucket)
    rollback(engine)
    photos = _photo_ids(engine)

    with pytest.raises(RollbackError, match=r"rolled back already.*One step back is kept"):
        rollback(engine)

    assert _photo_ids(engine) == photos
    assert kept_for_rollback(engine) is None
    assert len(loads(engine)) == 4


def test_rollback__works_again_after_another_load(engine: Engine, load_bucket: Loads) -> None:
    first = load_bucket(ordinary())
    load_bucket(_later())
    rollback(engine)
    load_bucket(_later())
    assert undone_load(engine) is None
    assert kept_for_rollback(engine).fingerprint == first  # type: ignore[union-attr]

    assert rollback(engine).fingerprint == first
    assert 500 not in _photo_ids(engine)


def test_rollback__is_refused_before_there_are_two_loads(engine: Engine, load_bucket: Loads) -> None:
    with pytest.raises(RollbackError, match="nothing is loaded yet"):
        rollback(engine)
    load_bucket(ordinary())
    with pytest.raises(RollbackError, match=r"no load before snapshot \w+ is kept"):
        rollback(engine)
    assert len(_photo_ids(engine)) == 33


def test_rollback__is_refused_while_a_load_is_under_way(engine: Engine, load_bucket: Loads) -> None:
    load_bucket(ordinary())
    load_bucket(_later())
    with engine.begin() as connection:
        wait_for_turn(connection)
        with pytest.raises(DatabaseError, match=r"a load is under way.*run this again"):
            rollback(engine)
    assert [row.kind for row in loads(engine)] == ["load", "load"]


def test_rollback__and_loads_get_on_with_readers_that_lock_in_another_order(engine: Engine, load_bucket: Loads) -> None:
    """Readers name photos first, which a lock in the order of the models would meet half-way: a deadlock."""
    load_bucket(ordinary())
    bucket = ordinary()
    bucket.observe(700, FIRST, 9, list(range(1000, 1400)))
    seen, stop = set(), threading.Event()
    counts = text("SELECT (SELECT count(*) FROM photos) * 1000 + (SELECT count(*) FROM observations)")

    def read() -> None:
        with engine.connect() as connection:
            while not stop.is_set():
                seen.add(connection.execute(counts).scalar_one())
                connection.rollback()

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        try:
            for _ in range(3):
                load_bucket(bucket)
                rollback(engine)
        finally:
            stop.set()
    assert [reader.exception() for reader in readers] == [None, None, None]
    assert seen == {33_033, 433_034}


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
    first, second = load_bucket(ordinary()), load_bucket(_later())
    photos = _photo_ids(engine)

    _killed("rollback", moment, database, load_bucket.store)

    assert _photo_ids(engine) == photos
    assert [row.fingerprint for row in loads(engine)] == [second, first]
    assert rollback(engine).fingerprint == first


def test_rollback__that_is_killed_after_its_end_is_not_done_twice(
    engine: Engine, database: str, load_bucket: Loads
) -> None:
    load_bucket(ordinary())
    second = load_bucket(_later())
    load_bucket(ordinary())

    _killed("rollback", "at the end", database, load_bucket.store)

    with pytest.raises(RollbackError, match="rolled back already"):
        rollback(engine)
    assert latest_load(engine).fingerprint == second  # type: ignore[union-attr]


@pytest.mark.parametrize("moment", ["in the middle", "before the commit"])
def test_load__killed_during_the_swap_leaves_rows_history_and_rollback_as_they_were(
    engine: Engine, database: str, load_bucket: Loads, moment: str
) -> None:
    first, second = load_bucket(ordinary()), load_bucket(_later())
    bucket = _later()
    bucket.observe(501, FIRST, 9, [502])

    _killed("load", moment, database, load_bucket.store, load_bucket.fetched(bucket).fingerprint)

    assert 502 not in _photo_ids(engine)
    assert [row.fingerprint for row in loads(engine)] == [second, first]
    assert _is_withdrawn(engine) == [1, 2]
    assert rollback(engine).fingerprint == first


def test_load__killed_after_the_swap_is_whole(engine: Engine, database: str, load_bucket: Loads) -> None:
    load_bucket(ordinary())
    second = load_bucket.fetched(_later()).fingerprint

    _killed("load", "at the end", database, load_bucket.store, second)

    assert latest_load(engine).fingerprint == second  # type: ignore[union-attr]
    assert 500 in _photo_ids(engine)
    assert _is_withdrawn(engine) == [1, 2]


# --- withdrawn photos


def test_withdrawn__are_photos_gone_from_every_observation(engine: Engine, load_bucket: Loads) -> None:
    bucket = ordinary()
    bucket.observe(600, FIRST, 1, [1])  # photo 1 is on observation 1 too
    load_bucket(bucket)
    assert _is_withdrawn(engine) == []
    bucket.photos = [row for row in bucket.photos if not (row[1] == 1 and row[2] == bucket.observations[0][0])]
    bucket.photos = [row for row in bucket.photos if row[1] != 2]

    load_bucket(bucket)

    assert withdrawn(engine).to_pylist() == [{"photo_id": 2, "extension": "jpg"}]


def test_withdrawn__lasts_until_the_photo_is_back(engine: Engine, load_bucket: Loads) -> None:
    load_bucket(ordinary())
    load_bucket(_later())
    bucket = _later()
    bucket.observe(501, FIRST, 9, [502])
    load_bucket(bucket)
    assert _is_withdrawn(engine) == [1, 2]
    bucket.photos.append(ordinary().photos[0])

    load_bucket(bucket)

    assert _is_withdrawn(engine) == [2]


def test_withdrawn__is_put_right_by_a_rollback(engine: Engine, load_bucket: Loads) -> None:
    load_bucket(ordinary())
    load_bucket(_later())
    bucket = ordinary()
    bucket.photos = [row for row in bucket.photos if row[1] != 5]
    bucket.observe(600, FIRST, 9, [600])
    load_bucket(bucket)  # 1 and 2 are back, the others are gone
    assert _is_withdrawn(engine) == [5, 500, 501]

    rollback(engine)

    assert _is_withdrawn(engine) == [1, 2]


def test_withdrawn__of_other_root_taxa_stays(engine: Engine, load_bucket: Loads) -> None:
    load_bucket(ordinary())
    load_bucket(_later())

    load_bucket(_later(), roots=(100,))

    assert _is_withdrawn(engine) == [1, 2]


# --- a database from before


def test_migrate__keeps_the_rows_of_the_first_version(postgres_home: Path, tmp_path: Path) -> None:
    engine = create_engine(embedded.url(postgres_home, f"first_{os.getpid()}"))
    try:
        _fill_first_version(engine)

        migrate(engine)

        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        (row,) = loads(engine)
        assert (row.kind, row.fingerprint, row.findings, row.changes) == ("load", "old", {}, None)
        with pytest.raises(RollbackError, match="no load before snapshot old is kept"):
            rollback(engine)
        Loads(engine, tmp_path)(ordinary())
        changes = latest_load(engine).changes  # type: ignore[union-attr]
        assert changes is not None
        assert (changes["since"], changes["totals"]["removed"], changes["totals"]["added"]) == ("old", 1, 33)
        assert rollback(engine).fingerprint == "old"
        assert _photo_ids(engine) == {7_000}
    finally:
        engine.dispose()


def _fill_first_version(engine: Engine) -> None:
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "0001")
        connection.execute(text("INSERT INTO taxa VALUES (21, '1/10/20', 10, 'species', 'Amanita muscaria', true)"))
        uuid = "'00000000-0000-0000-0000-000000000001'"
        connection.execute(
            text(f"INSERT INTO observations VALUES ({uuid}, 1, 55, 12, 10, 21, 'research', '2024-01-01', 0.5)")
        )
        connection.execute(text(f"INSERT INTO photos VALUES ({uuid}, 7000, {uuid}, 1, 'jpg', 'CC-BY', 8, 6, 0)"))
        connection.execute(
            text(
                "INSERT INTO snapshots (fingerprint, source, validators, root_taxa, counts) VALUES "
                "('old', 'here', '{}', '{10}', :counts)"
            ),
            {"counts": json.dumps({name: {"read": 1, "kept": 1} for name in TABLES})},
        )


def test_migrate__can_be_taken_back(engine: Engine) -> None:
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0001")
    assert {"withdrawn_photos", "species_changes"}.isdisjoint(inspect(engine).get_table_names())
    migrate(engine)
    assert set(inspect(engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}
