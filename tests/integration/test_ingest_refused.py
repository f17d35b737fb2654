"""Snapshots that a load refuses; the earlier rows stay."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from loads import fetched, load_small, scalar
from small_bucket import MISSING, SPECIES, SmallBucket, ordinary
from sqlalchemy import Engine

from mushroom_tasks.errors import TableError
from mushroom_tasks.inat.loading.ingest import load
from mushroom_tasks.inat.snapshots.snapshot import fetch
from mushroom_tasks.settings import IngestSettings, SourceSettings
from mushroom_tasks.storage import Store


def test_load__refuses_too_many_malformed_rows_and_keeps_the_earlier_ones(
    engine: Engine, store: Store, tmp_path: Path
) -> None:
    load_small(engine, store, fetched(ordinary(), store, tmp_path / "bucket"))
    bucket = ordinary()
    bucket.photos[3] = (*bucket.photos[3][:1], "no number", *bucket.photos[3][2:])
    snapshot = fetched(bucket, store, tmp_path / "next")
    with pytest.raises(TableError, match=r"1 malformed rows of 36.*max_malformed_ratio.*photo_id is malformed"):
        load_small(engine, store, snapshot)
    assert store.exists(f"{snapshot.folder}/quarantine.jsonl")
    assert scalar(engine, "SELECT count(*) FROM photos") == 33
    assert scalar(engine, "SELECT count(*) FROM snapshots") == 1


def _without_columns(folder: Path) -> None:
    (folder / "photos.csv.gz").write_bytes(gzip.compress(b"photo_id\tlicence\n1\tCC0\n"))


def _without_rows(folder: Path) -> None:
    text = gzip.decompress((folder / "observations.csv.gz").read_bytes())
    (folder / "observations.csv.gz").write_bytes(gzip.compress(text.split(b"\n")[0] + b"\n"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [(_without_columns, r"lacks the columns .*photo_id\\tlicence"), (_without_rows, "observations.csv.gz is empty")],
)
def test_load__refuses_wrong_columns_and_empty_tables(
    engine: Engine, store: Store, tmp_path: Path, spoil: object, message: str
) -> None:
    load_small(engine, store, fetched(ordinary(), store, tmp_path / "bucket"))
    folder = ordinary().write(tmp_path / "next")
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(TableError, match=message):
        load_small(engine, store, fetch(str(folder), store, SourceSettings(), None))
    assert scalar(engine, "SELECT count(*) FROM photos") == 33


def test_load__refuses_roots_that_are_missing(engine: Engine, store: Store, tmp_path: Path) -> None:
    snapshot = fetched(ordinary(), store, tmp_path / "bucket")
    with pytest.raises(TableError, match=r"no taxon \[77\].*root_taxa"):
        load(
            engine, store, snapshot, source="here", root_taxa=(10, 77), settings=IngestSettings(), progress_folder=None
        )


def test_load__refuses_roots_without_photos(engine: Engine, store: Store, tmp_path: Path) -> None:
    bucket = ordinary()
    bucket.observations = [row for row in bucket.observations if row[5] != 101]
    snapshot = fetched(bucket, store, tmp_path / "bucket")
    with pytest.raises(TableError, match=r"none of the 35 rows.*\[100\]"):
        load(engine, store, snapshot, source="h", root_taxa=(100,), settings=IngestSettings(), progress_folder=None)


def _with_fewer_photos(bucket: SmallBucket) -> None:
    bucket.photos = bucket.photos[:25]


def _with_fewer_taxa(bucket: SmallBucket) -> None:
    bucket.taxa = bucket.taxa[:8]


def _of_other_taxa(bucket: SmallBucket) -> None:
    for number in range(20):
        bucket.observations[number] = (*bucket.observations[number][:5], 101, *bucket.observations[number][6:])


def _with_observations_of_missing_taxa(bucket: SmallBucket) -> None:
    for number in range(40):
        bucket.observe(1000 + number, MISSING, 8, [])


def _with_observations_without_photos(bucket: SmallBucket) -> None:
    for number in range(40):
        bucket.observe(1000 + number, SPECIES[0], 8, [])


def _with_photos_of_missing_observers(bucket: SmallBucket) -> None:
    bucket.observers = [(row[0] if row[0] > 3 else row[0] + 900, *row[1:]) for row in bucket.observers]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("spoil", "message", "allowing"),
    [
        (_with_fewer_photos, r"photos has 25 rows in its file, the last load had 36, .*min_rows_ratio", "rows"),
        (_with_fewer_taxa, r"taxa has 8 rows in its file, the last load had 11, .*min_rows_ratio = 0.8", "rows"),
        (_of_other_taxa, r"observations has 13 rows of the wanted taxa, the last load had 33.*min_kept_ratio", "kept"),
        (
            _with_observations_of_missing_taxa,
            r"41 of 76 observations name a taxon that is missing, .*max_orp",
            "orphans",
        ),
        (
            _with_observations_without_photos,
            r"40 of 73 observations of the wanted taxa have no photo, .*max",
            "orphans",
        ),
        (_with_photos_of_missing_observers, r"16 of 33 photos of the wanted taxa have no observer, .*max", "orphans"),
    ],
)
def test_load__refuses_what_is_implausible_unless_it_is_allowed(
    engine: Engine,
    store: Store,
    tmp_path: Path,
    spoil: Callable[[SmallBucket], None],
    message: str,
    allowing: str,
) -> None:
    load_small(engine, store, fetched(ordinary(), store, tmp_path / "bucket"))
    bucket = ordinary()
    spoil(bucket)
    snapshot = fetched(bucket, store, tmp_path / "next")
    with pytest.raises(TableError, match=message):
        load_small(engine, store, snapshot)
    assert scalar(engine, "SELECT count(*) FROM photos") == 33
    assert scalar(engine, "SELECT count(*) FROM snapshots") == 1
    allowed = {
        "rows": {"min_rows_ratio": 0.1},
        "kept": {"min_kept_ratio": 0.1},
        "orphans": {"max_orphan_ratio": 0.9},
    }[allowing]
    assert load_small(engine, store, snapshot, **allowed).fingerprint == snapshot.fingerprint


def test_load__compares_kept_rows_only_for_the_same_roots(engine: Engine, store: Store, tmp_path: Path) -> None:
    snapshot = fetched(ordinary(), store, tmp_path / "bucket")
    load_small(engine, store, snapshot)
    report = load(
        engine, store, snapshot, source="h", root_taxa=(100,), settings=IngestSettings(), progress_folder=None
    )
    assert report.tables["photos"].kept == 1
