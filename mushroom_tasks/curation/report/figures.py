"""The figures of a report as pictures of their own, for MLflow and for slides: the map, and the k-distance curves.

    store.write_bytes("map.png", map_png(plane, names))

Drawn without pyplot's global state, so that threads and servers may call them. Needs matplotlib.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from mushroom_tasks.curation.report.content import ClassContent, Curve
from mushroom_tasks.curation.report.curve_drawing import Span, span
from mushroom_tasks.curation.report.plane import GRID, Plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CURVES = 24
COLORS = {"kept": "#2f7d4a", "pruned": "#b4540a", "doubt": "#6b4fb3"}
_INK, _SOFT, _LINE = "#24262b", "#5c6068", "#e4e0d8"
_MARKERS = {"kept": ("o", 9, 0.55), "pruned": ("X", 26, 0.9), "doubt": ("D", 20, 0.9)}
_WORDS = {"kept": "kept", "pruned": "pruned", "doubt": "kept, in doubt"}
_COLUMNS = 4
CELL = 48  # pixels of a photo on the map
_BORDER, _PANEL = 3, "#1b1d21"
_QUALITY = 80


def map_png(plane: Plane, names: Mapping[int, str]) -> bytes:
    """Return the map as a PNG: a mark per photo, and the name of each class where there are few enough."""
    figure = _figure(10, 6.6)
    axes = figure.add_subplot()
    for index, (kind, (marker, size, alpha)) in enumerate(_MARKERS.items()):
        own = plane.places[plane.kinds == index]
        label = f"{_WORDS[kind]} ({len(own):,})"
        axes.scatter(own[:, 0], own[:, 1], size, COLORS[kind], marker=marker, alpha=alpha, linewidths=0, label=label)
    for taxon_id, (across, down) in plane.labels(names).items():
        axes.text(
            across, down, names[taxon_id], ha="center", va="center", fontsize=7.5, style="italic", color=_INK,
            parse_math=False, bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "alpha": 0.7, "linewidth": 0},
        )  # fmt: skip
    axes.set(xticks=[], yticks=[], xlim=(-0.02, 1.02), ylim=(1.02, -0.02))
    axes.spines[:].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return _png(figure)


def curves_png(classes: Sequence[ClassContent]) -> bytes:
    """Return the k-distance curves of the first classes (`MOST_CURVES`) as a PNG."""
    drawn = [(each, each.curve) for each in classes if each.curve is not None][:MOST_CURVES]
    lines = max(1, -(-len(drawn) // _COLUMNS))
    figure = _figure(11, 0.6 + 1.9 * lines)
    every = figure.subplots(lines, _COLUMNS, squeeze=False).ravel()
    for axes in every[len(drawn) :]:
        axes.set_axis_off()
    between = span(curve for _, curve in drawn)
    for axes, (each, curve) in zip(every, drawn, strict=False):
        _draw_curve(axes, each, curve, between)
    figure.supxlabel("photos, by distance to their look-alikes", fontsize=9, color=_SOFT)
    figure.supylabel("k-distance", fontsize=9, color=_SOFT)
    return _png(figure)


def photo_map(plane: Plane, squares: Mapping[int, Image.Image | None]) -> bytes:
    """Return the map made of photos as a JPEG; `squares` has those of `plane.cells`, by row.

    Photos that were pruned or are in doubt have an edge of that colour.
    """
    across, down = GRID
    panel = Image.new("RGB", (across * CELL, down * CELL), _PANEL)
    colors = list(COLORS.values())
    for (column, line), place in plane.cells().items():
        square = squares.get(int(plane.rows[place]))
        if square is None:
            continue
        kind = int(plane.kinds[place])
        edge = _BORDER if kind else 1
        tile = Image.new("RGB", (CELL, CELL), colors[kind] if kind else _PANEL)
        tile.paste(square.resize((CELL - 2 * edge, CELL - 2 * edge), Image.Resampling.BILINEAR), (edge, edge))
        panel.paste(tile, (column * CELL, line * CELL))
    buffer = io.BytesIO()
    panel.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()


def _draw_curve(axes: Axes, each: ClassContent, curve: Curve, between: Span) -> None:
    values = np.asarray(curve.distances)
    places = np.linspace(1, curve.photos, len(values))
    axes.plot(places, values, color=COLORS["kept"], linewidth=1.4)
    axes.axhline(curve.eps, color=COLORS["pruned"], linewidth=1, linestyle=(0, (4, 3)))
    axes.fill_between(places, curve.eps, values, where=values > curve.eps, color=COLORS["pruned"], alpha=0.25)
    axes.set_ylim(between)
    axes.set_title(f"{each.name}  eps {curve.eps:.2f}", fontsize=7.5, style="italic", color=_INK, parse_math=False)
    axes.tick_params(labelsize=6.5, colors=_SOFT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=_LINE, linewidth=0.6)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def _png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        FigureCanvasAgg(figure).print_figure(buffer, format="png", dpi=140, metadata={"Software": None})
    return buffer.getvalue()
