"""What a selection may be limited to: species, branches, days, places, the geographic score."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from loaded_rows import Rows
from small_bucket import ROOTS
from sqlalchemy import Engine

from mushroom_tasks.errors import SelectionError
from mushroom_tasks.inat.selecting.selection import Selection, choose
from mushroom_tasks.inat.selecting.species_counts import BEYOND, SELECTED, TOO_FEW
from mushroom_tasks.settings import SelectionSettings


def _choose(engine: Engine, **settings: Any) -> Selection:
    return choose(engine, ROOTS, SelectionSettings(**{"min_photos_per_species": 1, **settings}))


def _photos(engine: Engine, **settings: Any) -> list[int]:
    return _choose(engine, **settings).photos["photo_id"].to_pylist()


@pytest.fixture
def rows() -> Rows:
    """Three species with 4, 3 and 2 photos, and a variety's photo of the first."""
    rows = Rows()
    for taxon_id, photo_ids in ((21, (1, 2, 3)), (22, (4,)), (31, (11, 12, 13)), (41, (21, 22))):
        for photo_id in photo_ids:
            rows.observe(taxon_id, [photo_id], observer_id=photo_id)
    return rows


def test_choose__takes_the_listed_species_by_id_or_name(rows: Rows, engine: Engine) -> None:
    rows.write(engine)
    found = _choose(engine, species=["amanita  Muscaria", 41], species_count=2)
    assert found.photos["photo_id"].to_pylist() == [1, 2, 3, 4, 21, 22]
    # A name of an inactive and an active taxon means the active one; a variety means its species.
    assert _photos(engine, species=["Amanita virosa", "22"]) == [1, 2, 3, 4, 11, 12, 13]


def test_choose__shows_listed_species_without_photos(rows: Rows, engine: Engine) -> None:
    rows.write(engine)
    found = _choose(engine, species=[21, 31, 41, 42], min_photos_per_species=3).species.to_pylist()
    assert [(row["taxon_id"], row["photos"], row["outcome"]) for row in found] == [
        (21, 4, SELECTED), (31, 3, SELECTED), (41, 2, TOO_FEW), (42, 0, TOO_FEW)
    ]  # fmt: skip


def test_choose__names_every_reference_that_means_no_species(rows: Rows, engine: Engine) -> None:
    rows.write(engine)
    with pytest.raises(SelectionError) as caught:
        _choose(engine, species=["Amanita muscria", "Boletus", "77", "26"])
    message = str(caught.value)
    assert "'Amanita muscria' is not loaded; near it: Amanita muscaria (21)" in message
    assert "'Boletus' is no species of the root taxa, but: genus 40" in message
    assert "'77' is not loaded" in message
    assert "'26' is no species of the root taxa, but: inactive species 26" in message


def test_choose__leaves_out_branches(rows: Rows, engine: Engine) -> None:
    rows.write(engine)
    assert _photos(engine, exclude=["Boletus"]) == [1, 2, 3, 4, 11, 12, 13]
    assert _photos(engine, exclude=["22", "Amanita virosa"]) == [1, 2, 3, 21, 22]
    with pytest.raises(
        SelectionError, match=r"selection.exclude names taxa .*\n.*'Boletos' is not loaded; near it: Bol"
    ):
        _choose(engine, exclude=["Boletos"])


def test_choose__lets_species_that_are_not_wanted_dispute_a_photo(rows: Rows, engine: Engine) -> None:
    rows.observe(42, [1])  # a second opinion on photo 1, of a species that is not asked for
    rows.observe(22, [2])  # the same species
    rows.observe(42, [3], quality_grade="casual")  # has no say
    rows.write(engine)
    assert _photos(engine) == _photos(engine, species=[21, 31, 41]) == _photos(engine, exclude=[42])
    for place in ({}, {"bounding_box": (12, 55, 13, 56)}, {"countries": ["DK"]}):
        assert _photos(engine, species=[21, 31], **place) == [2, 3, 4, 11, 12, 13]


def test_choose__keeps_days_on_both_ends(rows: Rows, engine: Engine) -> None:
    rows.observe(21, [5], observed_on=date(2019, 12, 31))
    rows.observe(21, [6], observed_on=date(2020, 1, 1))
    rows.observe(21, [7], observed_on=None)
    rows.write(engine)
    assert {5, 6, 7} <= set(_photos(engine))
    assert {5, 6, 7} & set(_photos(engine, observed_from="2020-01-01")) == {6}
    rows.observe(31, [15], observed_on=date(2019, 6, 1))
    rows.write(engine)
    assert _photos(engine, observed_from="2019-06-01", observed_to="2019-12-31") == [5, 15]


def test_choose__keeps_what_is_expected_nearby(rows: Rows, engine: Engine) -> None:
    rows.observe(21, [5], anomaly_score=0.99)
    rows.observe(21, [6], anomaly_score=1.0)
    rows.observe(21, [7], anomaly_score=None)
    rows.write(engine)
    assert {5, 6, 7} & set(_photos(engine, min_anomaly_score=1)) == {6, 7}


@pytest.mark.parametrize(
    ("box", "held"),
    [
        ((-10, 40, 10, 60), {5}),
        ((170, -50, -170, -30), {6, 7}),
        ((-170, -50, 170, 60), {5}),
        ((179, -41, 180, -39), {6}),
    ],
)
def test_choose__keeps_what_lies_in_the_box(rows: Rows, engine: Engine, box: Any, held: set[int]) -> None:
    rows.observations.clear()
    rows.photos.clear()
    for taxon_id, first in ((21, 0), (31, 10)):
        for photo_id, (longitude, latitude) in {5: (0, 50), 6: (179.5, -40), 7: (-175, -45), 8: (None, None)}.items():
            rows.observe(taxon_id, [first + photo_id], longitude=longitude, latitude=latitude)
    rows.write(engine)
    assert set(_photos(engine, bounding_box=box)) == held | {photo_id + 10 for photo_id in held}


def test_choose__keeps_what_lies_in_the_countries(engine: Engine) -> None:
    places = {
        1: (12.5, 55.7),  # Copenhagen
        2: (13.0, 55.6),  # Malmö
        3: (12.31, 56.15),  # off the coast of Gilleleje
        4: (-51.7, 64.2),  # Nuuk: Greenland has a code of its own
        5: (None, None),
    }
    rows = Rows()
    for taxon_id, first in ((21, 0), (31, 10)):
        for photo_id, (longitude, latitude) in places.items():
            rows.observe(taxon_id, [first + photo_id], longitude=longitude, latitude=latitude)
    rows.write(engine)
    assert _photos(engine, countries=["dk"]) == [1, 3, 11, 13]
    assert _photos(engine, countries=["SE", "GL"]) == [2, 4, 12, 14]
    with pytest.raises(SelectionError, match=r"0 species have 1 photos"):
        _choose(engine, countries=["NZ"])
    with pytest.raises(SelectionError, match=r"Received: \['ZZ'\]"):
        _choose(engine, countries=["ZZ"])


def test_choose__counts_what_the_caps_leave_and_says_why_a_species_is_left_out(rows: Rows, engine: Engine) -> None:
    rows.observe(31, range(100, 120), observer_id=7)
    rows.write(engine)
    found = _choose(engine, species_count=2, max_photos_per_observation=2).species.to_pylist()
    assert [(row["scientific_name"], row["photos"], row["available"], row["outcome"]) for row in found] == [
        ("Amanita virosa", 23, 5, SELECTED),
        ("Amanita muscaria", 4, 4, SELECTED),
        ("Boletus edulis", 2, 2, BEYOND),
    ]
    first = found[0]
    assert (first["selected"], first["observations"], first["observers"]) == (5, 4, 4)
    assert first["train"] + first["validation"] + first["test"] == 5
