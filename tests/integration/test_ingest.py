"""Loads of snapshots into a real PostgreSQL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from loads import fetched, load_small, scalar
from small_bucket import HYBRID, INACTIVE, MISSING, ROOTS, SPECIES, VARIETY, ordinary, uuid_of
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from mushroom_tasks.db.engine import migrate
from mushroom_tasks.db.models import Base, Observer, Photo, Taxon
from mushroom_tasks.inat.loading.ingest import load
from mushroom_tasks.inat.refresh.history import latest_load, remember_validators
from mushroom_tasks.inat.snapshots.snapshot import fetch
from mushroom_tasks.settings import IngestSettings, SourceSettings
from mushroom_tasks.storage import Store


def test_load__keeps_the_wanted_rows_and_the_ancestors(engine: Engine, store: Store, tmp_path: Path) -> None:
    report = load_small(engine, store, fetched(ordinary(), store, tmp_path / "bucket"))
    counts = {name: (table.read, table.kept) for name, table in report.tables.items()}
    assert counts == {"taxa": (11, 9), "observations": (36, 33), "photos": (36, 33), "observers": (8, 8)}
    with Session(engine) as session:
        variety, life = session.get(Taxon, VARIETY), session.get(Taxon, 1)
        assert variety is not None
        assert variety.name == 'Amanita muscaria var. "guessowii"'
        assert life is not None
        assert session.get(Taxon, 100) is None
        observer = session.get(Observer, 1)
        assert observer is not None
        assert observer.name == 'O\'Brien "1"'


def test_load__leaves_the_schema_as_the_models_say(engine: Engine, store: Store, tmp_path: Path) -> None:
    load_small(engine, store, fetched(ordinary(), store, tmp_path / "bucket"))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    migrate(engine)
    assert scalar(engine, "SELECT count(*) FROM pg_namespace WHERE nspname = 'incoming'") == 0


def test_load__records_its_history(engine: Engine, store: Store, tmp_path: Path) -> None:
    assert latest_load(engine) is None
    first = fetched(ordinary(), store, tmp_path / "bucket")
    load_small(engine, store, first)
    bucket = ordinary()
    bucket.observe(500, SPECIES[0], 9, [500])
    second = fetched(bucket, store, tmp_path / "next")
    load_small(engine, store, second)
    latest = latest_load(engine)
    assert latest is not None
    assert (latest.fingerprint, tuple(latest.root_taxa), latest.source) == (second.fingerprint, ROOTS, "here")
    assert latest.validators == second.validators
    assert latest.counts["photos"]["kept"] == 34
    assert scalar(engine, "SELECT count(*) FROM snapshots") == 2


def test_load__of_the_same_snapshot_again_only_reports_it(engine: Engine, store: Store, tmp_path: Path) -> None:
    snapshot = fetched(ordinary(), store, tmp_path / "bucket")
    assert load_small(engine, store, snapshot) == load_small(engine, store, snapshot)
    assert scalar(engine, "SELECT count(*) FROM photos") == 33
    assert scalar(engine, "SELECT count(*) FROM snapshots") == 1


def test_remember_validators__only_of_what_is_loaded(engine: Engine, store: Store, tmp_path: Path) -> None:
    snapshot = fetched(ordinary(), store, tmp_path / "bucket")
    load_small(engine, store, snapshot)
    remember_validators(engine, "another", {"taxa.csv.gz": {"size": 1}})
    assert latest_load(engine).validators == snapshot.validators  # type: ignore[union-attr]
    remember_validators(engine, snapshot.fingerprint, {"taxa.csv.gz": {"size": 2}})
    assert latest_load(engine).validators == {"taxa.csv.gz": {"size": 2}}  # type: ignore[union-attr]


def test_load__keeps_a_photo_of_two_observations_and_drops_repeated_rows(
    engine: Engine, store: Store, tmp_path: Path
) -> None:
    bucket = ordinary()
    bucket.observe(600, SPECIES[0], 1, [1])  # photo 1 is on observation 1 already
    bucket.photos.append(bucket.photos[4])
    bucket.taxa.append((21, "1/10/20", 10, "species", "Amanita muscaria again", "true"))
    report = load_small(engine, store, fetched(bucket, store, tmp_path / "bucket"))
    assert report.findings["photo_ids_shared"] == 1
    assert (report.tables["photos"].duplicates, report.tables["taxa"].duplicates) == (1, 1)
    with Session(engine) as session:
        assert session.get(Photo, (1, uuid_of("observation", 600))) is not None
        assert session.get(Taxon, 21).name == "Amanita muscaria"  # type: ignore[union-attr]


def test_load__counts_what_is_odd(engine: Engine, store: Store, tmp_path: Path) -> None:
    bucket = ordinary()  # has an observation of a hybrid, of an inactive taxon and of a missing one
    bucket.taxa.append((27, "1/10/20/26", 5, "subspecies", "Below an inactive species", "true"))
    bucket.taxa.append((28, "1/10/20/24", 5, "infrahybrid", "Below a hybrid", "true"))
    for number, taxon_id in enumerate((VARIETY, VARIETY, HYBRID, 27, 28, INACTIVE, MISSING, MISSING), 700):
        bucket.observe(number, taxon_id, 8, [number])
    bucket.observe(800, SPECIES[0], 8, [])
    bucket.observe(801, SPECIES[0], 8, [700])
    bucket.observers = [row for row in bucket.observers if row[0] != 1]
    snapshot = fetched(bucket, store, tmp_path / "bucket")
    report = load_small(engine, store, snapshot)
    assert report.findings == {
        "observations_of_missing_taxa": 3,
        "observations_of_inactive_taxa": 2,
        "observations_of_hybrids": 3,
        "observations_below_species": 2,
        "photo_ids_shared": 1,
        "photos_without_observer": 6,
        "observations_without_photo": 1,
    }
    latest = latest_load(engine)
    assert latest is not None
    assert latest.findings == report.findings


def test_load__writes_rows_as_vacuumed(engine: Engine, store: Store, tmp_path: Path) -> None:
    load_small(engine, store, fetched(ordinary(), store, tmp_path / "bucket"))
    pages = (
        "SELECT sum(relallvisible) >= 4 FROM pg_class WHERE relname IN ('taxa', 'observations', 'photos', 'observers')"
    )
    assert scalar(engine, pages + " AND relnamespace = 'public'::regnamespace") is True


def test_load__quarantines_malformed_rows(engine: Engine, store: Store, tmp_path: Path) -> None:
    bucket = ordinary()
    bucket.photos[3] = (*bucket.photos[3][:1], "no number", *bucket.photos[3][2:])
    bucket.observations.append(("only", "three", "columns"))
    snapshot = fetched(bucket, store, tmp_path / "bucket")
    report = load_small(engine, store, snapshot, max_malformed_ratio=0.1)
    assert (report.tables["photos"].malformed, report.tables["observations"].malformed) == (1, 1)
    assert report.quarantine == f"{snapshot.folder}/quarantine.jsonl"
    rows = [json.loads(line) for line in store.read_bytes(report.quarantine).splitlines()]
    assert [(row["file"], row["line"], row["reason"]) for row in rows] == [
        ("observations.csv.gz", 38, "3 columns in place of 9"),
        ("photos.csv.gz", 5, "photo_id is malformed"),
    ]


@pytest.mark.shared
def test_load__takes_the_bucket_of_real_photos(engine: Engine, store: Store, shared_bucket: Path) -> None:
    snapshot = fetch(str(shared_bucket), store, SourceSettings(), None)
    report = load(
        engine, store, snapshot, source=str(shared_bucket), root_taxa=(47169, 48250), settings=IngestSettings(),
        progress_folder=None,
    )  # fmt: skip
    kept = {name: table.kept for name, table in report.tables.items()}
    assert kept == {"taxa": 64, "observations": 2019, "photos": 2182, "observers": 153}
    assert report.findings["photo_ids_shared"] == 6
    assert report.quarantine is None
