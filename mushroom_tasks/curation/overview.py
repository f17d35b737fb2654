"""One picture of a data set: photos kept and pruned per species.

Needs matplotlib, imported when a picture is drawn.

    store.write_bytes("datasets/ab12/overview.png", overview_png(table))
"""

from __future__ import annotations

import io
import warnings

import pyarrow as pa

_NAMED_SPECIES = 80  # more names than that cannot be read; the bars alone still show the long tail
_ROW_INCHES = 0.2
_KEPT, _PRUNED = "#3b7d4f", "#d08a3c"


def overview_png(rows: pa.Table) -> bytes:
    """Return a PNG with one stacked bar per species, most photos first.

    `rows` has the columns `scientific_name` and `is_outlier`. The bytes depend on the content alone.
    """
    # Without pyplot there is no global state, no display, and nothing to close.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    species = _counts(rows)
    names = [name for name, _, _ in species]
    kept, pruned = [count for _, count, _ in species], [count for _, _, count in species]
    named = len(species) <= _NAMED_SPECIES
    figure = Figure(figsize=(8, max(2.5, 1.2 + _ROW_INCHES * min(len(species), _NAMED_SPECIES))), layout="tight")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    height = 0.8 if named else 1.0
    axes.barh(range(len(species)), kept, height, color=_KEPT, label=f"kept {sum(kept):,}")
    axes.barh(range(len(species)), pruned, height, left=kept, color=_PRUNED, label=f"pruned {sum(pruned):,}")
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlabel("photos")
    if named:
        # Names are text: a dollar sign must not start a formula.
        axes.set_yticks(range(len(species)), names, parse_math=False, fontsize=8)
    else:
        axes.set_ylabel(f"{len(species):,} species, most photos first")
    axes.legend(loc="lower right", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        canvas.print_figure(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _counts(rows: pa.Table) -> list[tuple[str, int, int]]:
    grouped = rows.group_by(["scientific_name", "is_outlier"]).aggregate([([], "count_all")]).to_pylist()
    counts: dict[str, list[int]] = {}
    for row in grouped:
        counts.setdefault(row["scientific_name"], [0, 0])[row["is_outlier"]] += row["count_all"]
    species = [(name, kept, pruned) for name, (kept, pruned) in counts.items()]
    return sorted(species, key=lambda item: (-item[1] - item[2], item[0]))
