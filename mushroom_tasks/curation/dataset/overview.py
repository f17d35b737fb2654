"""One picture of a data set: photos kept and pruned per species, by the rules and by people.

Needs matplotlib, imported when a picture is drawn.

    store.write_bytes("datasets/ab12/overview.png", overview_png(table))
"""

from __future__ import annotations

import io
import warnings

import pyarrow as pa
import pyarrow.compute as pc

from mushroom_tasks.curation.counts import left_out_for
from mushroom_tasks.curation.reasons import BY_PEOPLE, OVERRULED

_NAMED_SPECIES = 80  # more names than that cannot be read; the bars alone still show the long tail
_ROW_INCHES = 0.2
_KEPT, _PRUNED = "#3b7d4f", "#d08a3c"
_KEPT_BY_PEOPLE, _PRUNED_BY_PEOPLE = "#8fbf9c", "#8a4f12"
_PARTS = (  # label, colour, whether pruned, whether by people
    ("kept", _KEPT, False, False),
    ("kept by people", _KEPT_BY_PEOPLE, False, True),
    ("pruned by people", _PRUNED_BY_PEOPLE, True, True),
    ("pruned", _PRUNED, True, False),
)


def overview_png(rows: pa.Table) -> bytes:
    """Return a PNG with one stacked bar per species, most photos first.

    `rows` has the columns of `manifests.PRUNED`. The bytes depend on the content alone.
    """
    # Without pyplot there is no global state, no display, and nothing to close.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    species = _counts(rows)
    names = list(species)
    named = len(species) <= _NAMED_SPECIES
    figure = Figure(figsize=(8, max(2.5, 1.2 + _ROW_INCHES * min(len(species), _NAMED_SPECIES))), layout="tight")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    height = 0.8 if named else 1.0
    left = [0] * len(species)
    for number, (label, colour, _, is_by_people) in enumerate(_PARTS):
        widths = [counts[number] for counts in species.values()]
        if sum(widths) or not is_by_people:
            axes.barh(range(len(species)), widths, height, left=left, color=colour, label=f"{label} {sum(widths):,}")
        left = [start + width for start, width in zip(left, widths, strict=True)]
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


def _counts(rows: pa.Table) -> dict[str, list[int]]:
    """Return the photos of each species in each of `_PARTS`, the species with the most photos first."""
    # Somebody who could not tell left the choice to the rules.
    is_by_people = pc.or_(
        pc.is_in(rows["decision"], pa.array(sorted(OVERRULED))),
        pc.is_in(left_out_for(rows), pa.array(sorted(BY_PEOPLE))),
    )
    grouped = (
        pa.table({"name": rows["scientific_name"], "pruned": rows["is_outlier"], "by_people": is_by_people})
        .group_by(["name", "pruned", "by_people"])
        .aggregate([([], "count_all")])
    )
    parts = {(pruned, by_people): number for number, (_, _, pruned, by_people) in enumerate(_PARTS)}
    counts: dict[str, list[int]] = {}
    for row in grouped.to_pylist():
        of_species = counts.setdefault(row["name"], [0] * len(_PARTS))
        of_species[parts[row["pruned"], row["by_people"]]] += row["count_all"]
    return dict(sorted(counts.items(), key=lambda item: (-sum(item[1]), item[0])))
