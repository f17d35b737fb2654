"""One picture of what a load changed: the species with the most changes, gains to the right and losses to the left.

Needs matplotlib, imported when a picture is drawn.

    store.write_bytes("loads/ab12/changes.png", changes_png(per_species(engine, 7), found))
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mushroom_tasks.escaping import plain
from mushroom_tasks.inat.refresh.changes import Changes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 30  # species; more names than that cannot be read
_LEAST = 3  # rows of the picture, so that few species do not get bars like walls
_ROW_INCHES = 0.27
_LONGEST_NAME = 36  # characters
# Green comes and red goes, paler where a photo only moves between species; ochre stays, with other data.
_ADDED, _MOVED_IN, _REMOVED, _MOVED_OUT, _CHANGED = "#2f7d4a", "#9ccaa4", "#b5432a", "#e3a994", "#d9b25f"
_INK, _FAINT = "#2b2d33", "#8a8f98"


def changes_png(species: pa.Table, changes: Changes) -> bytes:
    """Return a PNG of the changes per species (`changes.SPECIES_CHANGES`, those with the most changes first).

    The bytes depend on the content alone.
    """
    # Without pyplot there is no global state, no display, and nothing to close.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = species.slice(0, _MOST).to_pylist()
    figure = Figure(figsize=(10, 1.9 + _ROW_INCHES * max(len(rows), _LEAST)), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    gained, kept = figure.subplots(1, 2, sharey=True, gridspec_kw={"width_ratios": [3, 1]})
    figure.suptitle(_title(changes, len(rows), species.num_rows), x=0.01, ha="left", fontsize=11, color=_INK)
    _draw_gains(gained, rows)
    _draw_changed(kept, rows)
    figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        canvas.print_figure(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()


def _title(changes: Changes, shown: int, species: int) -> str:
    totals = changes.totals
    which = f"; the {shown} species with the most changes, of {species:,}" if species > shown else ""
    return (
        f"Photos since snapshot {changes.since}: {totals.photos_before:,} → {totals.photos_after:,}\n"
        f"{totals.added:,} added, {totals.removed:,} removed, {totals.moved:,} moved, {totals.changed:,} changed{which}"
    )


def _draw_gains(axes: Axes, rows: list[dict[str, Any]]) -> None:
    places = range(len(rows))
    right = left = [0] * len(rows)
    for name, color, label in (("added", _ADDED, "added"), ("moved_in", _MOVED_IN, "moved in")):
        values = [row[name] for row in rows]
        axes.barh(places, values, 0.74, left=right, color=color, label=label)
        right = [a + b for a, b in zip(right, values, strict=True)]
    for name, color, label in (("removed", _REMOVED, "removed"), ("moved_out", _MOVED_OUT, "moved out")):
        values = [-row[name] for row in rows]
        axes.barh(places, values, 0.74, left=left, color=color, label=label)
        left = [a + b for a, b in zip(left, values, strict=True)]
    span = max([*right, *(-value for value in left), 1])
    for place, row, end in zip(places, rows, right, strict=True):
        axes.annotate(
            f"{row['photos_before']:,} → {row['photos_after']:,}",
            (end, place), (5, 0), textcoords="offset points", va="center", fontsize=7.5, color=_FAINT,
        )  # fmt: skip
    axes.set_xlim(min([*left, 0]) - span * 0.03, max([*right, 1]) + span * 0.25)  # with room for the counts
    axes.set_ylim(max(len(rows), _LEAST) - 0.4, -0.6)
    axes.axvline(0, color=_INK, linewidth=0.8)
    # Names are text: a dollar sign must not start a formula.
    axes.set_yticks(places, [_name(row) for row in rows], parse_math=False, fontsize=8.5, style="italic")
    axes.set_xlabel("photos lost and gained; beside it, photos before → now", fontsize=9)
    _finish(axes)


def _draw_changed(axes: Axes, rows: list[dict[str, Any]]) -> None:
    axes.barh(range(len(rows)), [row["changed"] for row in rows], 0.74, color=_CHANGED, label="changed")
    axes.set_xlim(0, max([1, *(row["changed"] for row in rows)]) * 1.05)
    axes.set_xlabel("photos whose data changed", fontsize=9)
    _finish(axes, ticks=3)


def _finish(axes: Axes, ticks: int = 6) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=ticks, integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
    axes.tick_params(axis="x", labelsize=8)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", color="#e4e1da", linewidth=0.6)
    axes.set_axisbelow(True)


def _name(row: dict[str, Any]) -> str:
    name = plain(row["scientific_name"])
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
