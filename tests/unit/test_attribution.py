"""Credit lines, and the CSV file that holds one for every photo."""

from __future__ import annotations

import csv
import io
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mushroom_tasks import settings
from mushroom_tasks.curation.dataset.attribution import (
    COLUMNS,
    LICENSES,
    credit_line,
    license_of,
    taxon_url,
    write_attribution,
)
from mushroom_tasks.errors import CurationError
from mushroom_tasks.identifiers import own_id

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def row(**changes: Any) -> dict[str, Any]:
    return {
        "photo_id": 42,
        "scientific_name": "Amanita muscaria",
        "observer_name": "Ann Other",
        "login": "ann",
        "license": "CC-BY-NC",
        "observation_uuid": "8f3c6a0e-0000-4000-8000-000000000001",
        **changes,
    }


def written(*rows: dict[str, Any]) -> list[dict[str, str]]:
    file = io.StringIO(newline="")
    write_attribution(pa.Table.from_pylist(list(rows)), file)
    return list(csv.DictReader(io.StringIO(file.getvalue(), newline="")))


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("CC0", "Ann Other, no rights reserved (CC0)"),
        ("CC-BY", "(c) Ann Other, some rights reserved (CC BY)"),
        ("CC-BY-NC", "(c) Ann Other, some rights reserved (CC BY-NC)"),
        ("CC-BY-SA", "(c) Ann Other, some rights reserved (CC BY-SA)"),
        ("CC-BY-ND", "(c) Ann Other, some rights reserved (CC BY-ND)"),
        ("CC-BY-NC-SA", "(c) Ann Other, some rights reserved (CC BY-NC-SA)"),
        ("CC-BY-NC-ND", "(c) Ann Other, some rights reserved (CC BY-NC-ND)"),
        ("PD", "Ann Other, no known copyright restrictions (public domain)"),
    ],
)
def test_credit_line__is_worded_as_inaturalist_does(code: str, line: str) -> None:
    assert credit_line("Ann Other", "ann", code) == line


def test_credit_line__every_selectable_licence_has_one() -> None:
    assert set(settings.LICENSES) == set(LICENSES)


@pytest.mark.parametrize(
    ("name", "login", "who"), [(None, "ann", "ann"), ("  ", "ann", "ann"), ("", None, "anonymous"), ("A", None, "A")]
)
def test_credit_line__falls_back_to_the_login(name: str | None, login: str | None, who: str) -> None:
    assert credit_line(name, login, "CC-BY") == f"(c) {who}, some rights reserved (CC BY)"


@given(names.filter(str.strip))
def test_credit_line__holds_the_name_as_it_is(name: str) -> None:
    assert credit_line(name, None, "CC-BY") == f"(c) {name}, some rights reserved (CC BY)"


def test_credit_line__refuses_an_unknown_licence() -> None:
    with pytest.raises(CurationError, match="Received: 'GFDL'"):
        credit_line("Ann", "ann", "GFDL")


def test_license_of__creative_commons_are_version_4() -> None:
    licence = license_of("CC-BY-NC-SA")
    assert licence.name == "Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International"
    assert licence.url == "https://creativecommons.org/licenses/by-nc-sa/4.0/"


def test_write_attribution__links_photo_observation_and_licence() -> None:
    (line,) = written(row())
    assert tuple(line) == COLUMNS
    assert line["photo_url"] == "https://www.inaturalist.org/photos/42"
    assert line["observation_url"] == "https://www.inaturalist.org/observations/8f3c6a0e-0000-4000-8000-000000000001"
    assert line["license_url"] == "https://creativecommons.org/licenses/by-nc/4.0/"
    assert line["attribution"] == "(c) Ann Other, some rights reserved (CC BY-NC)"


def test_write_attribution__a_photo_of_another_source_has_no_page_at_inaturalist() -> None:
    (line,) = written(row(photo_id=own_id("photo", "ab12"), observer_name="Museum X", login=None, license="CC-BY"))
    assert line["attribution"] == "(c) Museum X, some rights reserved (CC BY)"
    assert line["license_url"] == "https://creativecommons.org/licenses/by/4.0/"
    assert (line["photo_url"], line["observation_url"], line["login"]) == ("", "", "")


def test_taxon_url__only_of_taxa_that_inaturalist_has() -> None:
    assert taxon_url(48715) == "https://www.inaturalist.org/taxa/48715"
    assert taxon_url(own_id("taxon", "Amanita nova")) == ""


def test_write_attribution__has_a_line_per_photo_in_order() -> None:
    assert [line["photo_id"] for line in written(*(row(photo_id=i) for i in range(20_003)))] == [
        str(i) for i in range(20_003)
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "\u00a0@"])
def test_write_attribution__disarms_formulas(start: str) -> None:
    hostile = f'{start}HYPERLINK("http://evil.example","x")'
    (line,) = written(row(observer_name=hostile, login=hostile, license="CC0"))
    assert line["observer_name"] == f"'{hostile}"
    assert line["login"] == f"'{hostile}"
    assert line["attribution"] == f"'{hostile}, no rights reserved (CC0)"


@given(names)
def test_write_attribution__keeps_every_other_name_intact(name: str) -> None:
    (line,) = written(row(observer_name=name))
    assert line["observer_name"] in (name, f"'{name}")
    assert line["observer_name"].lstrip()[:1] not in ("=", "+", "-", "@")
