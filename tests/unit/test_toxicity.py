"""The list of poisonous taxa: well formed, each row with its sources, and silent about what it does not list."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

import mushroom_tasks
from mushroom_tasks.toxicity import WARNINGS, Toxicity, documented, toxicity_of

FOLDER = Path(mushroom_tasks.__file__).parent


@pytest.mark.parametrize("entry", documented(), ids=lambda entry: entry.scientific_name)
def test_documented__is_well_formed(entry: Toxicity) -> None:
    assert entry.warning in WARNINGS
    assert entry.rank in ("species", "genus")
    words = 2 if entry.rank == "species" else 1
    for name in (entry.scientific_name, *entry.synonyms):
        assert re.fullmatch(r"[A-Z][a-z]+( [a-z]+(-[a-z]+)?)?", name)
        assert len(name.split()) == words
    assert entry.toxin
    assert entry.syndrome
    assert entry.sources
    for source in entry.sources:
        assert re.search(r"\((18|19|20)\d\d\)\. ", source)


def test_documented__names_enough_taxa_each_once() -> None:
    assert len(documented()) >= 60
    names = Counter(name for entry in documented() for name in (entry.scientific_name, *entry.synonyms))
    assert [name for name, times in names.items() if times > 1] == []


def test_documented__uses_every_source_once() -> None:
    with (FOLDER / "toxicity_sources.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len({row["key"] for row in rows}) == len(rows)
    assert {row["citation"] for row in rows} == {source for entry in documented() for source in entry.sources}


@pytest.mark.parametrize(
    ("name", "warning"),
    [
        ("Amanita phalloides", "deadly"),
        ("Coprinopsis atramentaria", "poisonous"),
        ("Coprinus atramentarius", "poisonous"),  # a synonym
        ("Amanita muscaria var. formosa", "poisonous"),  # below the species
        ("Inocybe sindonia", "poisonous"),  # by its genus
        ("Inosperma erubescens", "deadly"),  # its own row, not that of the genus
        ("Psilocybe semilanceata", "psychoactive"),
        ("Morchella esculenta", "suspected"),
    ],
)
def test_toxicity_of__finds_species_synonyms_and_genera(name: str, warning: str) -> None:
    found = toxicity_of(name)
    assert found is not None
    assert found.warning == warning


@pytest.mark.parametrize("name", ["Boletus edulis", "Amanita", "", "amanita phalloides", "Quercus robur"])
def test_toxicity_of__says_nothing_of_what_is_not_listed(name: str) -> None:
    assert toxicity_of(name) is None


def test_documented__never_speaks_of_edibility() -> None:
    text = (FOLDER / "toxicity.csv").read_text(encoding="utf-8").lower()
    assert "edible" not in text
