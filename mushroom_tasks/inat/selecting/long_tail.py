"""A plot of photos per species: the long tail, and what a selection takes of it.

    plot_long_tail(selection.species, settings, file)
    draw_long_tail(selection.species, settings).axes

Drawn on a figure of its own, without pyplot's global state, so that threads and servers may call it. Needs matplotlib.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mushroom_tasks.inat.selecting.species_counts import SELECTED
from mushroom_tasks.settings import SelectionSettings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ALLOWED, _TAKEN, _INK, _GRID = "#8a8f98", "#b5432a", "#2b2d33", "#d9d6cf"
_FEW = 60  # species; so many can be told apart on a linear scale
_FLOOR = 0.8  # below one photo, which a log scale would show without height


def plot_long_tail(species: pa.Table, settings: SelectionSettings, file: IO[bytes]) -> None:
    """Write what `draw_long_tail` draws as a PNG."""
    draw_long_tail(species, settings).savefig(file, dpi=130, format="png")


def draw_long_tail(species: pa.Table, settings: SelectionSettings) -> Figure:
    """Draw photos available, and those selected, against the rank of the species, photos on a log scale.

    `species` has the schema SPECIES_COUNTS. Ranks are on a log scale too where there are many. Species without an
    available photo have no place in it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    species = species.filter(pc.greater(species["available"], 0))
    figure = Figure(figsize=(9.6, 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    if species.num_rows:
        _draw(axes, species, settings)
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    axes.set_xlabel("rank of the species, by photos available")
    axes.set_ylabel("photos")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw(axes: Axes, species: pa.Table, settings: SelectionSettings) -> None:
    ranks, available, selected = (np.asarray(species[name]) for name in ("rank", "available", "selected"))
    taken = np.asarray(pc.equal(species["outcome"], SELECTED))
    # Each species has the width from its rank to the next.
    edges = np.stack([ranks, ranks + 1], axis=1).ravel()
    axes.plot(edges, available.repeat(2), color=_ALLOWED, linewidth=1.8, label="available")
    axes.fill_between(
        edges, _FLOOR, np.maximum(selected, _FLOOR).repeat(2), color=_TAKEN, alpha=0.8, linewidth=0,
        label=f"selected: {selected.sum():,} photos of {taken.sum():,} species",
    )  # fmt: skip
    _scale(axes, int(ranks[-1]), int(available[0]))
    _level(axes, settings.photos_per_species, "at the most")
    _level(axes, settings.min_photos_per_species, "at the least")
    if taken.any():
        _cut(axes, int(ranks[taken][-1]), int(available[taken][-1]))
    axes.grid(axis="y", color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_title(_title(available, selected), loc="left", fontsize=10, color=_INK)


def _scale(axes: Axes, species: int, largest: int) -> None:
    axes.set_yscale("log")
    axes.set_ylim(_FLOOR, largest * 2.5)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    if species > _FEW:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    else:
        ticks = range(1, species + 1, -(-species // 20))
        axes.set_xticks([rank + 0.5 for rank in ticks], [str(rank) for rank in ticks])
    axes.set_xlim(1, species + 1)


def _level(axes: Axes, photos: int, meaning: str) -> None:
    axes.axhline(photos, color=_INK, linewidth=0.9, linestyle=(0, (5, 3)))
    axes.annotate(
        f"{photos:,}\n{meaning}", (1, photos), (5, 0), xycoords=axes.get_yaxis_transform(),
        textcoords="offset points", ha="left", va="center", fontsize=9, color=_INK,
    )  # fmt: skip


def _cut(axes: Axes, rank: int, available: int) -> None:
    axes.axvline(rank + 1, color=_INK, linewidth=0.9, linestyle=(0, (1, 2)))
    place = axes.transLimits.transform(axes.transScale.transform((rank + 1, 1)))[0]
    side, offset = ("right", -5) if place > 0.4 else ("left", 5)
    axes.annotate(
        f"last taken: rank {rank:,}, with {available:,} photos", (rank + 1, 0.98), (offset, 0),
        xycoords=axes.get_xaxis_transform(), textcoords="offset points", ha=side, va="top", fontsize=9, color=_INK,
    )  # fmt: skip


def _title(available: NDArray[np.int64], selected: NDArray[np.int64]) -> str:
    half = int(np.searchsorted(np.cumsum(available), available.sum() / 2)) + 1
    return (
        f"{available.size:,} species with {available.sum():,} photos available; the first {half:,} hold half of them. "
        f"Selected: {selected.sum() / available.sum():.1%}"
    )
