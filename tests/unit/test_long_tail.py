"""The plot of photos per species: what is drawn, as matplotlib holds it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mushroom_tasks.inat.selecting.long_tail import draw_long_tail, plot_long_tail
from mushroom_tasks.inat.selecting.species_counts import BEYOND, SELECTED, SPECIES_COUNTS, TOO_FEW
from mushroom_tasks.settings import SelectionSettings

SETTINGS = SelectionSettings(species_count=3, photos_per_species=50, min_photos_per_species=10)


def counts(available: Sequence[int]) -> pa.Table:
    """Species with so many photos, of which SETTINGS take the first three."""
    rows = []
    for rank, photos in enumerate(available, start=1):
        outcome = TOO_FEW if photos < 10 else SELECTED if rank <= 3 else BEYOND
        row = dict.fromkeys(SPECIES_COUNTS.names, 0)
        names = {"taxon_id": 100 + rank, "scientific_name": f"Species {rank}", "outcome": outcome}
        selected = min(photos, 50) if outcome == SELECTED else 0
        rows.append({**row, **names, "rank": rank, "photos": photos, "available": photos, "selected": selected})
    return pa.Table.from_pylist(rows, SPECIES_COUNTS)


def draw(available: Sequence[int]) -> Any:
    return draw_long_tail(counts(available), SETTINGS).axes[0]


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_draw__names_its_axes_and_has_photos_on_a_log_scale() -> None:
    axes = draw([400, 90, 30, 20, 5])
    assert axes.get_xlabel() == "rank of the species, by photos available"
    assert axes.get_ylabel() == "photos"
    assert axes.get_yscale() == "log"
    low, high = axes.get_ylim()
    assert 0 < low < 1 < 400 < high


@pytest.mark.parametrize(("species", "scale"), [(60, "linear"), (61, "log")])
def test_draw__has_ranks_on_a_log_scale_where_there_are_many(species: int, scale: str) -> None:
    axes = draw(range(1000, 1000 - species, -1))
    assert axes.get_xscale() == scale
    assert axes.get_xlim() == (1, species + 1)


def test_draw__has_a_step_for_every_species_with_a_photo() -> None:
    available = [400, 90, 30, 20, 5]
    axes = draw([*available, 0, 0])
    line = next(line for line in axes.lines if line.get_label() == "available")
    ranks, photos = line.get_data()
    assert list(photos[::2]) == list(photos[1::2]) == available
    assert list(zip(ranks[::2], ranks[1::2], strict=True)) == list(pairwise(range(1, 7)))


def test_draw__fills_what_is_selected() -> None:
    axes = draw([400, 90, 30, 20, 5])
    (area,) = axes.collections
    corners = area.get_paths()[0].vertices
    heights = {tuple(corner) for corner in corners if corner[1] > 1}
    assert heights == {(1, 50), (2, 50), (3, 50), (3, 30), (4, 30)}
    assert corners[:, 0].max() == 6  # the others are there, below one photo
    assert area.get_label() == "selected: 130 photos of 3 species"


def test_draw__marks_the_limits_and_the_last_species_that_is_taken() -> None:
    axes = draw([400, 90, 30, 20, 5])
    marks = [line.get_data() for line in axes.lines if line.get_label() != "available"]
    assert [list(np.unique(y)) for _, y in marks[:2]] == [[50], [10]]
    assert list(np.unique(marks[2][0])) == [4]  # to the right of rank 3
    assert texts(axes) == ["50\nat the most", "10\nat the least", "last taken: rank 3, with 30 photos"]


def test_draw__says_how_long_the_tail_is() -> None:
    title = draw([400, 90, 30, 20, 5]).get_title(loc="left")
    assert title == "5 species with 545 photos available; the first 1 hold half of them. Selected: 23.9%"


def test_draw__of_nothing_selected_marks_no_last_species() -> None:
    assert texts(draw([9, 8])) == ["50\nat the most", "10\nat the least"]


def test_draw__of_no_species_is_an_empty_plot() -> None:
    axes = draw([0])
    assert not axes.lines
    assert axes.get_ylabel() == "photos"


def test_plot__is_a_png() -> None:
    file = io.BytesIO()
    plot_long_tail(counts([400, 90, 30]), SETTINGS, file)
    assert file.getvalue().startswith(b"\x89PNG")
