"""Selections from a real PostgreSQL."""

from __future__ import annotations

import csv
import hashlib
import uuid
from collections import Counter, defaultdict
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from small_bucket import GENUS, HYBRID, INACTIVE, MISSING, ROOTS, SPECIES, VARIETY, SmallBucket, ordinary, uuid_of
from sqlalchemy import Engine, text

from mushroom_tasks.errors import SelectionError
from mushroom_tasks.inat.loading.ingest import load
from mushroom_tasks.inat.selecting.selection import select, without_homonyms
from mushroom_tasks.inat.snapshots.snapshot import fetch
from mushroom_tasks.manifests import SELECTION
from mushroom_tasks.settings import IngestSettings, SelectionSettings, SourceSettings
from mushroom_tasks.storage import Store

FEW: dict[str, Any] = {"min_photos_per_species": 1}


@pytest.fixture
def loaded(engine: Engine, tmp_path: Path) -> Any:
    """Return a function that loads a bucket into this test's database."""

    def load_bucket(bucket: SmallBucket) -> Engine:
        folder = bucket.write(tmp_path / uuid.uuid4().hex)
        store = Store(tmp_path / "store")
        load(
            engine, store, fetch(str(folder), store, SourceSettings(), None), source="h", root_taxa=ROOTS,
            settings=IngestSettings(min_kept_ratio=0, min_rows_ratio=0, max_orphan_ratio=1), progress_folder=None,
        )  # fmt: skip
        return engine

    return load_bucket


def _select(engine: Engine, **settings: Any) -> pa.Table:
    return select(engine, ROOTS, SelectionSettings(**{**FEW, **settings}))


def _counts(table: pa.Table) -> Counter[int]:
    return Counter(table["taxon_id"].to_pylist())


def test_select__gives_the_manifest_in_order(loaded: Any) -> None:
    table = _select(loaded(ordinary()))
    assert table.schema.equals(SELECTION)
    assert table["photo_id"].to_pylist() == list(range(1, 31))
    first = table.slice(0, 1).to_pylist()[0]
    assert (first["scientific_name"], first["observation_uuid"], first["login"], first["observer_name"]) == (
        "Amanita muscaria", uuid_of("observation", 1), "user1", "O'Brien \"1\"",
    )  # fmt: skip
    assert table.equals(_select(loaded(ordinary())))


def test_select__takes_species_only(loaded: Any) -> None:
    bucket = ordinary()
    for number, taxon_id in enumerate((HYBRID, GENUS, INACTIVE, MISSING) * 10, start=800):
        bucket.observe(number, taxon_id, number, [number])
    assert _counts(_select(loaded(bucket))) == {21: 12, 31: 10, 41: 8}


def test_select__rolls_varieties_up(loaded: Any) -> None:
    bucket = ordinary()
    bucket.observe(800, VARIETY, 50, [800])
    rows = [row for row in _select(loaded(bucket)).to_pylist() if row["photo_id"] == 800]
    assert [(row["taxon_id"], row["scientific_name"]) for row in rows] == [(21, "Amanita muscaria")]


def test_select__filters_grades_and_licences(loaded: Any) -> None:
    bucket = ordinary()
    bucket.observe(800, SPECIES[0], 50, [800], grade="casual")
    bucket.observe(801, SPECIES[0], 50, [801], licence="C")
    bucket.observe(802, SPECIES[0], 50, [802], licence="CC0")
    engine = loaded(bucket)
    assert _counts(_select(engine))[21] == 13
    assert _counts(_select(engine, quality_grades=("research", "casual")))[21] == 14
    with pytest.raises(SelectionError, match=r"1 species have"):
        _select(engine, licenses=("CC0",))


def test_select__takes_the_species_with_most_photos(loaded: Any) -> None:
    bucket = ordinary()
    for number in (800, 801):
        bucket.observe(number, SPECIES[2], number, [number])
    engine = loaded(bucket)  # 12, 10 and 10 photos: the tie goes to the smaller taxon_id
    assert set(_counts(_select(engine, species_count=2))) == {21, 31}
    assert set(_counts(_select(engine, min_photos_per_species=10))) == {21, 31, 41}


def test_select__caps_observations_and_observers(loaded: Any) -> None:
    bucket = ordinary()
    bucket.observe(800, SPECIES[0], 50, range(800, 830))
    engine = loaded(bucket)
    assert _counts(_select(engine, max_photos_per_observation=3))[21] == 12 + 3
    table = _select(engine, max_photos_per_observer=1)
    assert max(Counter(zip(table["taxon_id"].to_pylist(), table["observer_id"].to_pylist(), strict=True)).values()) == 1
    assert _counts(table) == {21: 8, 31: 7, 41: 7}


def test_select__prefers_another_observation_to_a_second_photo(loaded: Any) -> None:
    bucket = ordinary()
    bucket.observe(800, SPECIES[1], 50, range(800, 810))
    table = _select(loaded(bucket), photos_per_species=11)
    of_species = [row["observation_uuid"] for row in table.to_pylist() if row["taxon_id"] == SPECIES[1]]
    assert len(of_species) == len(set(of_species)) == 11


def test_select__takes_a_photo_of_two_observations_once(loaded: Any) -> None:
    bucket = ordinary()
    bucket.observe(800, SPECIES[0], 1, [1])
    (row,) = [row for row in _select(loaded(bucket)).to_pylist() if row["photo_id"] == 1]
    assert row["observation_uuid"] == min(uuid_of("observation", 1), uuid_of("observation", 800))


def test_select__leaves_out_a_photo_whose_observations_disagree(loaded: Any) -> None:
    bucket = ordinary()
    bucket.observe(800, SPECIES[1], 1, [1])
    bucket.observe(801, SPECIES[1], 2, [2], grade="casual")  # has no say
    photo_ids = _select(loaded(bucket))["photo_id"].to_pylist()
    assert 1 not in photo_ids
    assert 2 in photo_ids


def test_select__keeps_photos_whose_observer_has_no_row(loaded: Any) -> None:
    bucket = ordinary()
    bucket.observers = bucket.observers[1:]
    rows = [row for row in _select(loaded(bucket)).to_pylist() if row["observer_id"] == 1]
    assert rows
    assert {(row["login"], row["observer_name"]) for row in rows} == {(None, None)}


def test_select__says_what_there_is_where_no_species_has_enough(loaded: Any) -> None:
    with pytest.raises(SelectionError, match=r"0 species have 20.*3 species.*largest has 12.*min_photos_per_species"):
        select(loaded(ordinary()), ROOTS, SelectionSettings())


def test_select__refuses_roots_that_are_not_loaded(loaded: Any, engine: Engine) -> None:
    with pytest.raises(SelectionError, match=r"\[10\] are not loaded"):
        _select(engine)
    loaded(ordinary())
    with pytest.raises(SelectionError, match=r"\[1\] are not loaded; PostgreSQL holds what is below \[10\]"):
        select(engine, (1,), SelectionSettings(**FEW))
    assert _counts(select(engine, (20,), SelectionSettings(**FEW))) == {21: 12, 31: 10, 41: 8}


def test_select__depends_on_the_seed(loaded: Any) -> None:
    engine = loaded(ordinary())
    first, second = (_select(engine, photos_per_species=4, seed=seed)["photo_id"].to_pylist() for seed in (1, 2))
    assert first != second
    assert first == _select(engine, photos_per_species=4, seed=1)["photo_id"].to_pylist()


def test_select__hashes_by_md5_of_seed_and_id(loaded: Any) -> None:
    """What is selected depends on no version of PostgreSQL and no machine: Python's md5 gives the same."""
    table = _select(loaded(ordinary()), photos_per_species=3, seed=4, validation_share=0.3, test_share=0.3)

    def digest(kind: str, number: int) -> str:
        return hashlib.md5(f"4:{kind}:{number}".encode()).hexdigest()

    of_species = (range(1, 13), range(13, 23), range(23, 31))
    sampled = [sorted(photos, key=lambda photo_id: digest("photo", photo_id))[:3] for photos in of_species]
    assert table["photo_id"].to_pylist() == sorted(chain.from_iterable(sampled))
    for row in table.to_pylist():
        share = int(digest("observer", row["observer_id"])[:8], 16) / 2**32
        assert row["split"] == ("test" if share < 0.3 else "validation" if share < 0.6 else "train")


_OBSERVATIONS = st.lists(
    st.tuples(st.sampled_from([*SPECIES, VARIETY]), st.integers(1, 30), st.integers(1, 4)), min_size=1, max_size=25
)


@examples(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(earlier=_OBSERVATIONS, later=_OBSERVATIONS, seed=st.integers(0, 5), cap=st.integers(1, 6))
def test_select__is_stable_under_growth(loaded: Any, earlier: list, later: list, seed: int, cap: int) -> None:
    settings = {"seed": seed, "validation_share": 0.3, "test_share": 0.3, "max_photos_per_observer": cap}
    bucket = ordinary()
    number = 1000
    _observe(bucket, earlier, number)
    engine = loaded(bucket)
    before = _select(engine, **settings)
    fewer = _select(engine, **settings, photos_per_species=5)
    _observe(bucket, later, number + 500)
    after = _select(loaded(bucket), **settings)

    observers = defaultdict(set)
    for row in [*before.to_pylist(), *after.to_pylist()]:
        observers[row["observer_id"]].add(row["split"])
    assert all(len(splits) == 1 for splits in observers.values())
    split_of = dict(zip(after["photo_id"].to_pylist(), after["split"].to_pylist(), strict=True))
    for photo_id, split in zip(before["photo_id"].to_pylist(), before["split"].to_pylist(), strict=True):
        assert split_of.get(photo_id, split) == split
    assert set(fewer["photo_id"].to_pylist()) <= set(before["photo_id"].to_pylist())


def _observe(bucket: SmallBucket, observations: list, number: int) -> None:
    photo = number * 10
    for taxon_id, observer_id, photos in observations:
        bucket.observe(number, taxon_id, observer_id, range(photo, photo + photos))
        number, photo = number + 1, photo + photos


@pytest.mark.shared
def test_select__finds_every_photo_of_the_real_bucket(engine: Engine, tmp_path: Path, shared_bucket: Path) -> None:
    store, roots = Store(tmp_path / "store"), (47169, 48250)
    load(
        engine, store, fetch(str(shared_bucket), store, SourceSettings(), None), source="h", root_taxa=roots,
        settings=IngestSettings(), progress_folder=None,
    )  # fmt: skip
    table = select(engine, roots, SelectionSettings())
    with (shared_bucket / "truth.csv").open(encoding="utf-8", newline="") as file:
        truth = {int(row["photo_id"]): row["label"].replace("_", " ") for row in csv.DictReader(file)}
    selected = dict(zip(table["photo_id"].to_pylist(), table["scientific_name"].to_pylist(), strict=True))
    assert selected == truth
    assert len(set(selected.values())) == 20
    with engine.connect() as connection:
        varieties = connection.execute(
            text(
                "SELECT p.photo_id FROM photos p JOIN observations o USING (observation_uuid) "
                "JOIN taxa t USING (taxon_id) WHERE t.rank = 'variety' AND o.quality_grade = 'research'"
            )
        ).scalars()
        assert {selected[photo_id] for photo_id in varieties} == {"Amanita muscaria"}


def test_without_homonyms__keeps_the_taxon_with_the_most_photos() -> None:
    names = ["Agathis montana"] * 3 + ["Amanita muscaria"]
    table = pa.table({"photo_id": [1, 2, 3, 4], "taxon_id": [20, 10, 20, 30], "scientific_name": names})

    kept = without_homonyms(table)
    assert kept["photo_id"].to_pylist() == [1, 3, 4]
