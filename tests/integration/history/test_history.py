"""The history of loads: what is kept of each, the photos that are gone, and a database from before."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from loads import Loads, later, photo_ids, withdrawn_ids
from small_bucket import SPECIES, ordinary
from sqlalchemy import Engine, create_engine, inspect, text

from mushroom_tasks.db import embedded
from mushroom_tasks.db.engine import alembic_config, migrate
from mushroom_tasks.db.models import Base
from mushroom_tasks.errors import RollbackError
from mushroom_tasks.inat.refresh.history import (
    kept_for_rollback,
    latest_load,
    loads,
    remember_validators,
    rollback,
    undone_load,
    withdrawn,
)
from mushroom_tasks.inat.tables import TABLES

FIRST = SPECIES[0]


def test_loads__are_kept_with_counts_findings_and_changes(engine: Engine, load_bucket: Loads) -> None:
    assert (loads(engine), latest_load(engine), kept_for_rollback(engine)) == ([], None, None)
    first, second = load_bucket(ordinary()), load_bucket(later())

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
    first, second = load_bucket(ordinary()), load_bucket(later())
    rollback(engine)

    for fingerprint in (first, second, "another"):
        remember_validators(engine, fingerprint, {"taxa.csv.gz": {"etag": fingerprint}})

    undone = undone_load(engine)
    assert latest_load(engine).validators == {"taxa.csv.gz": {"etag": first}}  # type: ignore[union-attr]
    assert undone is not None
    assert undone.validators == {"taxa.csv.gz": {"etag": second}}


# --- withdrawn photos


def test_withdrawn__are_photos_gone_from_every_observation(engine: Engine, load_bucket: Loads) -> None:
    bucket = ordinary()
    bucket.observe(600, FIRST, 1, [1])  # photo 1 is on observation 1 too
    load_bucket(bucket)
    assert withdrawn_ids(engine) == []
    bucket.photos = [row for row in bucket.photos if not (row[1] == 1 and row[2] == bucket.observations[0][0])]
    bucket.photos = [row for row in bucket.photos if row[1] != 2]

    load_bucket(bucket)

    assert withdrawn(engine).to_pylist() == [{"photo_id": 2, "extension": "jpg"}]


def test_withdrawn__lasts_until_the_photo_is_back(engine: Engine, load_bucket: Loads) -> None:
    load_bucket(ordinary())
    load_bucket(later())
    bucket = later()
    bucket.observe(501, FIRST, 9, [502])
    load_bucket(bucket)
    assert withdrawn_ids(engine) == [1, 2]
    bucket.photos.append(ordinary().photos[0])

    load_bucket(bucket)

    assert withdrawn_ids(engine) == [2]


def test_withdrawn__is_put_right_by_a_rollback(engine: Engine, load_bucket: Loads) -> None:
    load_bucket(ordinary())
    load_bucket(later())
    bucket = ordinary()
    bucket.photos = [row for row in bucket.photos if row[1] != 5]
    bucket.observe(600, FIRST, 9, [600])
    load_bucket(bucket)  # 1 and 2 are back, the others are gone
    assert withdrawn_ids(engine) == [5, 500, 501]

    rollback(engine)

    assert withdrawn_ids(engine) == [1, 2]


def test_withdrawn__of_other_root_taxa_stays(engine: Engine, load_bucket: Loads) -> None:
    load_bucket(ordinary())
    load_bucket(later())

    load_bucket(later(), roots=(100,))

    assert withdrawn_ids(engine) == [1, 2]


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
        assert photo_ids(engine) == {7_000}
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
