"""The metadata tables of the sample bucket, in iNaturalist's layout."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from pathlib import Path

import pytest

from mushroom_tasks.sample.catalogue import RARE, SPECIES
from mushroom_tasks.sample.plan import make_plan
from mushroom_tasks.sample.tables import TABLES, write_tables
from mushroom_tasks.storage import Store

Rows = list[dict[str, str]]
PLAN = make_plan(species=8, photos_per_species=40, seed=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    write_tables(Store(folder), PLAN)
    return folder


@pytest.fixture(scope="module")
def tables(folder: Path) -> dict[str, Rows]:
    return {name: read(folder, name) for name in TABLES}


def read(folder: Path, name: str) -> Rows:
    with gzip.open(folder / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.mark.shared
def test_write_tables__columns_are_those_of_a_real_bucket(folder: Path, shared_bucket: Path) -> None:
    for name in TABLES:
        with (
            gzip.open(folder / f"{name}.csv.gz", "rt") as ours,
            gzip.open(shared_bucket / f"{name}.csv.gz", "rt") as real,
        ):
            assert ours.readline() == real.readline()
    assert (folder / "truth.csv").open().readline() == (shared_bucket / "truth.csv").open().readline()


def test_write_tables__every_row_has_every_column(folder: Path) -> None:
    for name, columns in TABLES.items():
        lines = gzip.decompress((folder / f"{name}.csv.gz").read_bytes()).decode().splitlines()
        assert {line.count("\t") for line in lines} == {len(columns.split()) - 1}


def test_write_tables__ancestries_lead_to_the_real_roots(tables: dict[str, Rows]) -> None:
    by_name = {row["name"]: row for row in tables["taxa"]}
    known = {row["taxon_id"] for row in tables["taxa"]}
    for species in (*SPECIES, RARE):
        path = by_name[species.name]["ancestry"].split("/")
        assert path[:2] == ["48460", "47170"]
        assert path[2] == {"Basidiomycota": "47169", "Ascomycota": "48250"}[species.lineage[0]]
        assert path[-1] == by_name[species.genus]["taxon_id"]
        assert set(path) <= known


def test_write_tables__names_hold_quotes_of_both_kinds_unescaped(tables: dict[str, Rows]) -> None:
    names = " ".join(row["name"] for table in ("taxa", "observers") for row in tables[table])
    assert 'var. "aurea"' in names
    assert "f. 'd'arboisii'" in names
    assert 'O\'Brien "Bri"' in names
    assert "Åsa" in names


def test_write_tables__every_planned_photo_is_of_research_grade_and_its_species(tables: dict[str, Rows]) -> None:
    observations = {row["observation_uuid"]: row for row in tables["observations"]}
    taxa = {row["taxon_id"]: row["name"] for row in tables["taxa"]}
    photos = {int(row["photo_id"]): row for row in tables["photos"]}
    for photo in PLAN.photos:
        row = photos[photo.photo_id]
        observation = observations[row["observation_uuid"]]
        assert observation["quality_grade"] == "research"
        assert observation["observer_id"] == row["observer_id"] == str(photo.observer_id)
        assert taxa[observation["taxon_id"]].startswith(photo.label.name)


def test_write_tables__holds_what_a_selection_has_to_leave_aside(tables: dict[str, Rows]) -> None:
    taxa = {row["taxon_id"]: row for row in tables["taxa"]}
    named = [taxa.get(row["taxon_id"]) for row in tables["observations"]]
    ranks = Counter(taxon["rank"] for taxon in named if taxon)
    assert named.count(None) >= 10  # a taxon that is missing, or none given
    assert ranks["genus"] > 0
    assert ranks["variety"] > 0
    assert ranks["form"] > 0
    assert ranks["hybrid"] > 0
    assert any(taxon and taxon["active"] == "false" for taxon in named)
    assert sum(bool(taxon and taxon["ancestry"].startswith("48460/47126")) for taxon in named) > 1000
    assert {row["quality_grade"] for row in tables["observations"]} == {"research", "needs_id", "casual"}
    assert len({row["license"] for row in tables["photos"]}) == 6


def test_write_tables__one_photo_may_be_on_two_observations(tables: dict[str, Rows]) -> None:
    counts = Counter(row["photo_id"] for row in tables["photos"])
    twice = [photo_id for photo_id, count in counts.items() if count == 2]
    assert len(twice) == 4
    assert max(counts.values()) == 2
    for photo_id in twice:
        rows = [row for row in tables["photos"] if row["photo_id"] == photo_id]
        assert len({row["observation_uuid"] for row in rows}) == 2
        assert len({row["photo_uuid"] for row in rows}) == 1


def test_write_tables__every_photo_has_its_observation_and_observer(tables: dict[str, Rows]) -> None:
    observations = {row["observation_uuid"] for row in tables["observations"]}
    observers = {row["observer_id"] for row in tables["observers"]}
    assert {row["observation_uuid"] for row in tables["photos"]} <= observations
    assert {row["observer_id"] for row in tables["photos"]} <= observers


def test_write_tables__gzip_carries_no_time(folder: Path, tmp_path: Path) -> None:
    write_tables(Store(tmp_path), PLAN)
    for name in TABLES:
        assert (tmp_path / f"{name}.csv.gz").read_bytes() == (folder / f"{name}.csv.gz").read_bytes()


def test_write_tables__truth_has_a_row_per_planned_photo(folder: Path) -> None:
    rows = list(csv.DictReader((folder / "truth.csv").open()))
    assert [int(row["photo_id"]) for row in rows] == [photo.photo_id for photo in PLAN.photos]
    assert {row["true_label"] for row in rows if row["kind"].startswith(("junk", "clump"))} == {"-"}
