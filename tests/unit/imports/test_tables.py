"""The manifests of photos of other sources."""

from __future__ import annotations

import logging
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mushroom_tasks.errors import ImportFailed
from mushroom_tasks.identifiers import is_own, own_id
from mushroom_tasks.imports.intake import Failure, Intake, Photo
from mushroom_tasks.imports.item import Item
from mushroom_tasks.imports.splitting import SplitShares
from mushroom_tasks.imports.tables import downloads_table, plain_taxa, selection_table
from mushroom_tasks.manifests import DOWNLOADS, SELECTION

SHARES = SplitShares(1, 0.15, 0.15)
NAMES = ("Amanita muscaria", "Boletus edulis")
TAXA = plain_taxa(NAMES)


def taken(number: int, species: str = NAMES[0], **said: object) -> Photo:
    item = Item(f"{number}.jpg", species, bytes, **said)  # type: ignore[arg-type]
    sha256 = f"{number:064x}"
    return Photo(item, "CC-BY", "Ann", own_id("photo", sha256), f"photos/{number}.jpg", sha256, 9, 4, 3, "JPEG")


def both(count: int = 40, **said: object) -> list[Photo]:
    return [taken(2 * n + k, name, **said) for n in range(count) for k, name in enumerate(NAMES)]


def table_of(photos: list[Photo], least: int = 1) -> pa.Table:
    return selection_table(photos, TAXA, SHARES, least)


def test_selection_table__is_a_selection() -> None:
    table = table_of(both(observed_on=date(2024, 9, 1), latitude=55.0, longitude=12.0, observer="Ann"))
    assert table.schema == SELECTION
    assert table["photo_id"].to_pylist() == sorted(table["photo_id"].to_pylist())
    row = table.slice(0, 1).to_pylist()[0]
    assert (row["observer_name"], row["login"], row["license"], row["extension"]) == ("Ann", None, "CC-BY", "jpg")
    assert (row["observed_on"], row["latitude"], row["longitude"]) == (date(2024, 9, 1), 55.0, 12.0)
    assert all(is_own(row[name]) for name in ("photo_id", "observer_id", "taxon_id"))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(1, 12)), min_size=40, max_size=80))
def test_selection_table__no_observer_crosses_a_split(drawn: list[tuple[str, int]]) -> None:
    photos = [taken(n, species, observer=f"person {who}") for n, (species, who) in enumerate(drawn)]
    photos += [taken(1000 + n, name, split="train", observer=f"other {n}") for n in range(9) for name in NAMES]
    table = table_of(photos)
    splits: dict[int, set[str]] = {}
    for row in table.select(["observer_id", "split"]).to_pylist():
        splits.setdefault(row["observer_id"], set()).add(row["split"])
    assert all(len(found) == 1 for found in splits.values())


def test_selection_table__says_where_accuracy_would_be_too_good(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        table = table_of(both())
    assert "80 of 80 photos nothing says who took them" in caplog.text.replace("of 80 of 80", "80 of 80")
    assert len(set(table["observer_id"].to_pylist())) == table.num_rows


def test_selection_table__an_observation_stands_for_an_unknown_observer() -> None:
    photos = [taken(n, NAMES[n % 2], observation=f"find {n // 4}") for n in range(200)]
    table = table_of(photos)
    assert len(set(table["observer_id"].to_pylist())) == 50
    assert len(set(table["observation_uuid"].to_pylist())) == 50


def test_selection_table__the_source_s_own_splits_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    photos = [
        *(taken(n, NAMES[n % 2], split="train") for n in range(60)),
        *(taken(100 + n, NAMES[n % 2], split="validation") for n in range(20)),
        *(taken(200 + n, NAMES[n % 2], split="test") for n in range(10)),
    ]
    with caplog.at_level(logging.WARNING):
        splits = table_of(photos)["split"].to_pylist()
    assert [splits.count(name) for name in ("train", "validation", "test")] == [60, 20, 10]
    assert "nothing says who took them" not in caplog.text


def test_selection_table__labels_of_one_taxon_become_one_class() -> None:
    taxa = {**TAXA, "Amanita muscaria var. guessowii": TAXA[NAMES[0]]}
    photos = [*both(), *(taken(1000 + n, "Amanita muscaria var. guessowii") for n in range(20))]
    table = selection_table(photos, taxa, SHARES, 1)
    assert sorted(set(table["scientific_name"].to_pylist())) == sorted(NAMES)
    assert table["scientific_name"].to_pylist().count(NAMES[0]) == 60


def test_selection_table__leaves_out_species_that_cannot_be_learned(caplog: pytest.LogCaptureFixture) -> None:
    rare, unseen = "Rarus rarus", "Unus unus"
    taxa = plain_taxa([*NAMES, rare, unseen])
    photos = [*both(), taken(900, rare), *(taken(910 + n, unseen, split="test") for n in range(6))]
    with caplog.at_level(logging.WARNING):
        table = selection_table(photos, taxa, SHARES, 5)
    assert set(table["scientific_name"].to_pylist()) == set(NAMES)
    assert "fewer than 5 photos: Rarus rarus" in caplog.text
    assert "validation and test split: Unus unus" in caplog.text


def test_selection_table__refuses_fewer_than_two_species() -> None:
    with pytest.raises(ImportFailed, match=r"1 can be used.*imports\.min_photos_per_species"):
        table_of([taken(n) for n in range(50)])


def test_downloads_table__holds_the_photos_and_what_was_bad() -> None:
    found = Intake(both(), [Failure("x.jpg", "truncated", "breaks off"), Failure("y.jpg", "license", "none")], 0)
    selection = table_of(found.photos)
    table = downloads_table(found, selection)
    assert table.schema == DOWNLOADS
    assert table.num_rows == selection.num_rows + 2
    bad = [row for row in table.to_pylist() if row["status"] == "failed"]
    assert {row["failure"] for row in bad} == {"truncated", "license"}
    assert all(row["path"] is None and is_own(row["photo_id"]) for row in bad)


def test_downloads_table__has_no_photo_of_species_that_were_left_out() -> None:
    found = Intake([*both(), taken(900, "Rarus rarus")], [], 0)
    selection = selection_table(found.photos, plain_taxa([*NAMES, "Rarus rarus"]), SHARES, 5)
    assert downloads_table(found, selection)["photo_id"].to_pylist() == selection["photo_id"].to_pylist()


@pytest.mark.parametrize(
    ("names", "called"),
    [
        (["Amanita Muscaria", "Amanita muscaria"], "Amanita muscaria"),
        (["Amanita muscaria", "AMANITA MUSCARIA", "AMANITA MUSCARIA"], "AMANITA MUSCARIA"),
    ],
)
def test_plain_taxa__spellings_in_upper_and_lower_case_are_one_species(names: list[str], called: str) -> None:
    found = plain_taxa([*names, "Boletus edulis"])
    assert plain_taxa(["Boletus edulis", *reversed(names)]) == found
    assert set(found) == {*names, "Boletus edulis"}
    assert {found[name]["scientific_name"] for name in names} == {called}
    assert {found[name]["taxonomy"][-1]["name"] for name in names} == {called}
    # The id is the same however most photos spell it.
    assert {found[name]["taxon_id"] for name in names} == {
        plain_taxa(["amanita muscaria"])["amanita muscaria"]["taxon_id"]
    }


def test_plain_taxa__are_entries_like_any_other(tmp_path: Path) -> None:
    entry = plain_taxa(["Amanita muscaria"])["Amanita muscaria"]
    assert is_own(entry["taxon_id"])
    assert entry["taxonomy"] == [{"taxon_id": entry["taxon_id"], "rank": "species", "name": "Amanita muscaria"}]
