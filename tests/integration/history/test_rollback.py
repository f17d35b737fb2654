"""One step back in the history of loads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from loads import Loads, later, photo_ids
from small_bucket import ROOTS, SPECIES, ordinary
from sqlalchemy import Engine, inspect, text

from mushroom_tasks.db.models import Base
from mushroom_tasks.errors import DatabaseError, RollbackError
from mushroom_tasks.inat.refresh.history import (
    kept_for_rollback,
    latest_load,
    loads,
    rollback,
    undone_load,
    wait_for_turn,
)
from mushroom_tasks.inat.selecting.selection import select
from mushroom_tasks.settings import SelectionSettings

FIRST = SPECIES[0]


def test_rollback__brings_back_what_the_tables_held(engine: Engine, load_bucket: Loads) -> None:
    first, second = load_bucket(ordinary()), load_bucket(later())
    assert photo_ids(engine) >= {500, 501}

    restored = rollback(engine)

    assert (restored.kind, restored.fingerprint, restored.counts["photos"]["kept"]) == ("rollback", first, 33)
    assert photo_ids(engine).isdisjoint({500, 501})
    assert photo_ids(engine) >= {1, 2}
    latest, undone = latest_load(engine), undone_load(engine)
    assert latest is not None
    assert undone is not None
    assert (latest.id, latest.fingerprint, undone.fingerprint) == (restored.id, first, second)
    assert [row.kind for row in loads(engine)] == ["rollback", "load", "load"]


def test_rollback__leaves_the_schema_as_the_models_say(engine: Engine, load_bucket: Loads) -> None:
    load_bucket(ordinary())
    load_bucket(later())
    rollback(engine)

    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    assert inspect(engine).get_schema_names() == ["information_schema", "public"]
    assert inspect(engine).get_pk_constraint("photos")["name"] == "pk_photos"
    assert load_bucket(later()) == latest_load(engine).fingerprint  # type: ignore[union-attr]


def test_rollback__is_what_select_sees(engine: Engine, load_bucket: Loads) -> None:
    settings = SelectionSettings(min_photos_per_species=1)
    load_bucket(ordinary())
    before = select(engine, ROOTS, settings)
    load_bucket(later())
    assert select(engine, ROOTS, settings) != before

    rollback(engine)

    assert select(engine, ROOTS, settings) == before


def test_rollback__goes_back_to_other_root_taxa_too(engine: Engine, load_bucket: Loads) -> None:
    load_bucket(ordinary())
    load_bucket(ordinary(), roots=(100,))

    assert rollback(engine).root_taxa == list(ROOTS)
    assert len(photo_ids(engine)) == 33


def test_rollback__twice_is_refused(engine: Engine, load_bucket: Loads) -> None:
    for bucket in (ordinary(), later(), ordinary()):
        load_bucket(bucket)
    rollback(engine)
    photos = photo_ids(engine)

    with pytest.raises(RollbackError, match=r"rolled back already.*One step back is kept"):
        rollback(engine)

    assert photo_ids(engine) == photos
    assert kept_for_rollback(engine) is None
    assert len(loads(engine)) == 4


def test_rollback__works_again_after_another_load(engine: Engine, load_bucket: Loads) -> None:
    first = load_bucket(ordinary())
    load_bucket(later())
    rollback(engine)
    load_bucket(later())
    assert undone_load(engine) is None
    assert kept_for_rollback(engine).fingerprint == first  # type: ignore[union-attr]

    assert rollback(engine).fingerprint == first
    assert 500 not in photo_ids(engine)


def test_rollback__is_refused_before_there_are_two_loads(engine: Engine, load_bucket: Loads) -> None:
    with pytest.raises(RollbackError, match="nothing is loaded yet"):
        rollback(engine)
    load_bucket(ordinary())
    with pytest.raises(RollbackError, match=r"no load before snapshot \w+ is kept"):
        rollback(engine)
    assert len(photo_ids(engine)) == 33


def test_rollback__is_refused_while_a_load_is_under_way(engine: Engine, load_bucket: Loads) -> None:
    load_bucket(ordinary())
    load_bucket(later())
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
