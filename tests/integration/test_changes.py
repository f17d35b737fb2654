"""What a load changes, told apart by kind: two loads of small buckets into a real PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_bucket import GENUS, HYBRID, ROOTS, SPECIES, VARIETY, SmallBucket, ordinary, uuid_of
from sqlalchemy import Engine, create_engine

from mushroom_tasks.db import embedded
from mushroom_tasks.db.engine import migrate
from mushroom_tasks.inat.loading.ingest import load
from mushroom_tasks.inat.refresh.changes import SPECIES_CHANGES, Changes, Totals, per_species
from mushroom_tasks.inat.refresh.history import latest_load, rollback, withdrawn
from mushroom_tasks.inat.snapshots.snapshot import fetch
from mushroom_tasks.settings import IngestSettings, SourceSettings
from mushroom_tasks.storage import Store

Change = Callable[[SmallBucket], None]
FIRST, SECOND, THIRD = SPECIES  # with 12, 10 and 8 photos, photo n on observation n
KEPT = 33  # the photos of `ordinary` below the root: those of species, and of a hybrid, a genus and an inactive taxon


def _load(engine: Engine, folder: Path, bucket: SmallBucket, roots: tuple[int, ...] = ROOTS) -> Changes | None:
    store = Store(folder / "store")
    snapshot = fetch(str(bucket.write(folder / "bucket")), store, SourceSettings(), None)
    load(
        engine, store, snapshot, source="here", root_taxa=roots, settings=IngestSettings(min_kept_ratio=0),
        progress_folder=None,
    )  # fmt: skip
    latest = latest_load(engine)
    assert latest is not None
    return None if latest.changes is None else Changes.model_validate(latest.changes)


def _changes(engine: Engine, folder: Path, *changes: Change) -> tuple[Changes, dict[int, dict[str, int]]]:
    """Load a bucket, make the changes to it, load it again; return the totals and the species that differ."""
    bucket = ordinary()
    for change in changes[:-1]:
        change(bucket)
    assert _load(engine, folder, bucket) is None
    changes[-1](bucket)
    found = _load(engine, folder, bucket)
    assert found is not None
    return found, _species(engine)


def _species(engine: Engine) -> dict[int, dict[str, int]]:
    """The species that the last load changed, with the counts that are not 0."""
    latest = latest_load(engine)
    assert latest is not None
    table = per_species(engine, latest.id)
    assert table.schema == SPECIES_CHANGES
    rows = table.drop_columns("scientific_name").to_pylist()
    return {row.pop("taxon_id"): {name: count for name, count in row.items() if count} for row in rows}


def _totals(changes: Changes) -> dict[str, int]:
    """The totals that are not 0."""
    return {name: count for name, count in changes.totals.model_dump().items() if count}


def _observation(bucket: SmallBucket, number: int, **columns: object) -> None:
    """Give an observation other values."""
    _replace(bucket.observations, 0, uuid_of("observation", number), columns, {"taxon_id": 5, "grade": 6, "score": 8})


def _photo(bucket: SmallBucket, photo_id: int, **columns: object) -> None:
    """Give a photo other values."""
    _replace(bucket.photos, 1, photo_id, columns, {"extension": 4, "licence": 5, "width": 6, "position": 8})


def _replace(
    rows: list[tuple[object, ...]], key: int, value: object, columns: dict[str, object], places: dict[str, int]
) -> None:
    (number,) = (n for n, row in enumerate(rows) if row[key] == value)
    row = list(rows[number])
    for name, new in columns.items():
        row[places[name]] = new
    rows[number] = tuple(row)


def _taxon(bucket: SmallBucket, taxon_id: int, *, ancestry: str | None = None, active: str = "true") -> None:
    (number,) = (n for n, row in enumerate(bucket.taxa) if row[0] == taxon_id)
    row = bucket.taxa[number]
    bucket.taxa[number] = (row[0], ancestry or row[1], *row[2:5], active)


def _without_photos(bucket: SmallBucket, *photo_ids: int) -> None:
    bucket.photos = [row for row in bucket.photos if row[1] not in photo_ids]


def _rename_observer(bucket: SmallBucket) -> None:
    bucket.observers = [(row[0], row[1], "New Name") if row[0] == 1 else row for row in bucket.observers]


def _identify_and_relicense(bucket: SmallBucket) -> None:
    _observation(bucket, 1, taxon_id=SECOND)
    _photo(bucket, 1, licence="CC0")


def _change_what_no_data_set_uses(bucket: SmallBucket) -> None:
    _observation(bucket, 1, score=0.9)
    _photo(bucket, 2, width=77)


def _without_observation(bucket: SmallBucket, number: int) -> None:
    bucket.observations = [row for row in bucket.observations if row[0] != uuid_of("observation", number)]
    bucket.photos = [row for row in bucket.photos if row[2] != uuid_of("observation", number)]


# Name: what changes, the totals, and the species with what differs (photos before and after are checked apart).
KINDS: dict[str, tuple[Change, dict[str, int], dict[int, dict[str, int]]]] = {
    "added": (
        lambda bucket: bucket.observe(500, FIRST, 9, [500, 501]),
        {"added": 2, "species": 1},
        {FIRST: {"added": 2}},
    ),
    "withdrawn": (
        lambda bucket: _without_photos(bucket, 1, 13),
        {"removed": 2, "species": 2},
        {FIRST: {"removed": 1}, SECOND: {"removed": 1}},
    ),
    "another licence": (
        lambda bucket: _photo(bucket, 1, licence="CC0"),
        {"changed": 1, "relicensed": 1, "species": 1},
        {FIRST: {"changed": 1, "relicensed": 1}},
    ),
    "another position": (
        lambda bucket: _photo(bucket, 1, position=3),
        {"changed": 1, "species": 1},
        {FIRST: {"changed": 1}},
    ),
    "regraded": (
        lambda bucket: _observation(bucket, 1, grade="needs_id"),
        {"changed": 1, "regraded": 1, "species": 1},
        {FIRST: {"changed": 1, "regraded": 1}},
    ),
    "identified as another species": (
        lambda bucket: _observation(bucket, 1, taxon_id=SECOND),
        {"moved": 1, "species": 2},
        {FIRST: {"moved_out": 1}, SECOND: {"moved_in": 1}},
    ),
    "moved with another licence": (
        _identify_and_relicense,
        {"moved": 1, "species": 2},
        {FIRST: {"moved_out": 1}, SECOND: {"moved_in": 1}},
    ),
    "identified as a genus": (
        lambda bucket: _observation(bucket, 1, taxon_id=GENUS),
        {"moved": 1, "species": 1},
        {FIRST: {"moved_out": 1}},
    ),
    "identified from a genus": (
        lambda bucket: _observation(bucket, 32, taxon_id=THIRD),
        {"moved": 1, "species": 1},
        {THIRD: {"moved_in": 1}},
    ),
    "identified as a variety of the species": (lambda bucket: _observation(bucket, 1, taxon_id=VARIETY), {}, {}),
    "a species becomes inactive": (
        lambda bucket: _taxon(bucket, THIRD, active="false"),
        {"moved": 8, "reclassified": 8, "species": 1, "species_lost": 1},
        {THIRD: {"moved_out": 8}},
    ),
    "a photo of no species": (
        lambda bucket: bucket.observe(500, HYBRID, 9, [500]),
        {"added": 1, "photos_without_species": 1},
        {},
    ),
    "also on another observation of the species": (
        lambda bucket: bucket.observe(500, FIRST, 1, [1]),
        {"changed": 1, "species": 1},
        {FIRST: {"changed": 1}},
    ),
    "also on an observation of another species": (
        lambda bucket: bucket.observe(500, SECOND, 1, [1]),
        {"moved": 1, "species": 1},
        {SECOND: {"moved_in": 1}},
    ),
    "an observation that is gone": (
        lambda bucket: _without_observation(bucket, 1),
        {"removed": 1, "species": 1},
        {FIRST: {"removed": 1}},
    ),
    "an observer's name": (_rename_observer, {"observers_renamed": 1}, {}),
    "what no data set uses": (_change_what_no_data_set_uses, {}, {}),
}


@pytest.fixture(scope="module")
def loaded(postgres_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A database that holds the ordinary bucket; a test that loads another one has to roll it back."""
    engine = create_engine(embedded.url(postgres_home, f"changes_{os.getpid()}"))
    migrate(engine)
    _load(engine, tmp_path_factory.mktemp("ordinary"), ordinary())
    yield engine
    engine.dispose()


@pytest.mark.parametrize("kind", KINDS)
def test_compare__tells_each_kind_of_change(loaded: Engine, tmp_path: Path, kind: str) -> None:
    change, totals, species = KINDS[kind]
    bucket = ordinary()
    change(bucket)
    found = _load(loaded, tmp_path, bucket)
    by_species = _species(loaded)
    rollback(loaded)

    assert found is not None
    after = KEPT + totals.get("added", 0) - totals.get("removed", 0)
    assert _totals(found) == {**totals, "photos_before": KEPT, "photos_after": after}
    before = dict(zip(SPECIES, (12, 10, 8), strict=True))
    for taxon_id, counts in by_species.items():
        assert counts.pop("photos_before") == before[taxon_id]
        gained = sum(counts.get(name, 0) for name in ("added", "moved_in"))
        lost = sum(counts.get(name, 0) for name in ("removed", "moved_out"))
        assert counts.pop("photos_after", 0) == before[taxon_id] + gained - lost
    assert by_species == species


def test_compare__a_variety_that_becomes_part_of_another_species_moves_its_photos(
    engine: Engine, tmp_path: Path
) -> None:
    found, species = _changes(
        engine,
        tmp_path,
        lambda bucket: bucket.observe(500, VARIETY, 9, [500, 501]),
        lambda bucket: _taxon(bucket, VARIETY, ancestry=f"1/10/20/{SECOND}"),
    )

    assert (found.totals.moved, found.totals.reclassified) == (2, 2)
    assert species == {
        FIRST: {"photos_before": 14, "photos_after": 12, "moved_out": 2},
        SECOND: {"photos_before": 10, "photos_after": 12, "moved_in": 2},
    }


def test_compare__says_from_which_species_to_which_photos_move(engine: Engine, tmp_path: Path) -> None:
    def identify(bucket: SmallBucket) -> None:
        for number, taxon_id in ((1, SECOND), (2, SECOND), (3, GENUS), (32, THIRD)):
            _observation(bucket, number, taxon_id=taxon_id)

    found, _ = _changes(engine, tmp_path, identify)

    moves = [(move.from_name, move.to_name, move.photos) for move in found.moves]
    assert moves == [
        ("Amanita muscaria", "Amanita virosa", 2),
        ("Amanita muscaria", None, 1),
        (None, "Amanita vaginata", 1),
    ]


def test_compare__counts_several_kinds_at_once(engine: Engine, tmp_path: Path) -> None:
    def change(bucket: SmallBucket) -> None:
        bucket.observe(500, FIRST, 9, [500, 501])
        _without_photos(bucket, 1, 2, 3)
        _photo(bucket, 4, licence="CC0")
        _observation(bucket, 5, grade="casual")
        _observation(bucket, 6, taxon_id=SECOND)

    found, species = _changes(engine, tmp_path, change)

    assert found.totals == Totals(
        photos_before=33, photos_after=32, added=2, removed=3, moved=1, reclassified=0, changed=2, relicensed=1,
        regraded=1, photos_without_species=0, species=2, species_gained=0, species_lost=0, observers_renamed=0,
    )  # fmt: skip
    assert list(species) == [FIRST, SECOND]  # those with the most changes first
    assert species[FIRST] == {
        "photos_before": 12, "photos_after": 10, "added": 2, "removed": 3, "moved_out": 1, "changed": 2,
        "relicensed": 1, "regraded": 1,
    }  # fmt: skip
    assert withdrawn(engine)["photo_id"].to_pylist() == [1, 2, 3]


def test_compare__nothing_where_the_root_taxa_differ(engine: Engine, tmp_path: Path) -> None:
    bucket = ordinary()
    _load(engine, tmp_path, bucket)

    assert _load(engine, tmp_path, bucket, roots=(100,)) is None
    assert withdrawn(engine).num_rows == 0  # what is out of scope now is published as before
    assert _load(engine, tmp_path, bucket) is None
    assert _species(engine) == {}


def test_compare__takes_root_taxa_in_any_order(engine: Engine, tmp_path: Path) -> None:
    bucket = ordinary()
    _load(engine, tmp_path, bucket, roots=(10, 100))
    bucket.observe(500, FIRST, 9, [500])

    found = _load(engine, tmp_path, bucket, roots=(100, 10))

    assert found is not None
    assert found.totals.added == 1
