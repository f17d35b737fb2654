"""Observations by season and place, counted by a real PostgreSQL."""

from __future__ import annotations

import hashlib
from datetime import date

from loaded_rows import Rows
from sqlalchemy import Engine

from mushroom_tasks.inat.seasons import SEASONS, seasons

SPECIES = (21, 41)


def _counted(engine: Engine, held_out_share: float = 0.0, seed: int = 1) -> dict[tuple[int, ...], int]:
    table = seasons(engine, SPECIES, degrees=5, seed=seed, held_out_share=held_out_share)
    assert table.schema.equals(SEASONS)
    return {
        tuple(row[name] for name in SEASONS.names if name != "observations"): row["observations"]
        for row in table.to_pylist()
    }


def test_seasons__counts_by_species_cell_and_month(engine: Engine) -> None:
    rows = Rows()
    for number in range(3):
        rows.observe(21, [number])
    rows.observe(41, [1], latitude=-33.9, longitude=151.2, observed_on=date(2024, 4, 30))
    assert _counted(rows.write(engine)) == {(21, 29, 38, 9): 3, (41, 11, 66, 4): 1}


def test_seasons__counts_varieties_for_their_species_and_no_others(engine: Engine) -> None:
    rows = Rows()
    for taxon_id in (22, 20, 42, 31):
        rows.observe(taxon_id, [taxon_id])
    assert _counted(rows.write(engine)) == {(21, 29, 38, 9): 1}


def test_seasons__leaves_out_what_is_casual_or_has_no_place(engine: Engine) -> None:
    rows = Rows()
    rows.observe(21, [3], quality_grade="casual")
    rows.observe(21, [4], latitude=None, longitude=None)
    rows.observe(21, [5], latitude=91.0)
    rows.observe(21, [6], quality_grade="needs_id", observed_on=None)
    assert _counted(rows.write(engine)) == {(21, 29, 38, 0): 1}


def test_seasons__poles_and_antimeridian_are_in_the_last_cells(engine: Engine) -> None:
    rows = Rows()
    rows.observe(21, [7], latitude=90.0, longitude=180.0)
    rows.observe(21, [8], latitude=-90.0, longitude=-180.0)
    assert _counted(rows.write(engine)) == {(21, 35, 71, 9): 1, (21, 0, 0, 9): 1}


def test_seasons__leaves_out_observers_of_held_out_splits(engine: Engine) -> None:
    rows = Rows()
    for observer in range(1, 41):
        rows.observe(21, [observer], observer_id=observer)
    shares = [int(hashlib.md5(f"7:observer:{i}".encode()).hexdigest()[:8], 16) / 2**32 for i in range(1, 41)]
    expected = sum(share >= 0.3 for share in shares)
    assert 0 < expected < 40
    assert _counted(rows.write(engine), held_out_share=0.3, seed=7) == {(21, 29, 38, 9): expected}
