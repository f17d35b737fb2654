"""The figures of an evaluation: confusion, reliability, recall per class, and error against refusal.

    draw(report, ladder, folder)        # writes FIGURES into the folder

Readable with a handful of classes and with hundreds: related classes lie side by side, and what would be too small is
shown in parts. Needs matplotlib.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.learning.evaluation.schema import ClassMetrics, Evaluation, EvaluationReport, Reliability, RiskPoint
from mushroom_tasks.learning.evaluation.taxonomy import Ladder
from mushroom_tasks.learning.plots import ACCENT, INK, QUIET, figure_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURES = ("confusion.png", "reliability.png", "recall.png", "refusal.png")
_NAMED_CLASSES = 60  # more names cannot be read on one page
_NAMED_FAMILIES = 0.02  # share of the classes from which on a family has room for its name
_DPI = 130


def draw(report: EvaluationReport, ladder: Ladder, folder: Path) -> None:
    """Write all figures; those of single classes show the photos as kept, where there are any."""
    shown = report.kept or report.as_came
    plot_confusion(shown, ladder, folder / "confusion.png")
    plot_reliability(report.calibration.before, report.calibration.after, folder / "reliability.png")
    plot_recall(shown.classes, folder / "recall.png")
    plot_refusal(report.risk, folder / "refusal.png")


def plot_confusion(found: Evaluation, ladder: Ladder, path: Path) -> None:
    """Write a confusion matrix, rows true and columns predicted, related classes side by side.

    Colour is the share of the row, so that rare species read like common ones; numbers are photos. Of many classes
    the whole matrix goes without names, and those with most mistakes are drawn again, with names.
    """
    confusion, names = np.asarray(found.confusion), [one.scientific_name for one in found.classes]
    order = ladder.order()
    if len(names) <= _NAMED_CLASSES:
        side = max(5.0, 2.6 + 0.3 * len(names))
        figure = figure_of(side + 1.0, side)
        _named_matrix(figure.subplots(), confusion, names, order)
    else:
        figure = figure_of(22, 11)
        whole, worst = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1, 1]})
        _whole_matrix(whole, confusion, ladder, order)
        mistaken = np.isin(order, most_mistaken(confusion, _NAMED_CLASSES // 2))
        _named_matrix(worst, confusion, names, order[mistaken])
        worst.set_title(f"the {mistaken.sum()} classes with most mistakes", fontsize=11, color=INK)
    figure.savefig(path, dpi=_DPI)


def most_mistaken(confusion: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return the classes of the pairs that are confused most, so many at the most."""
    wrong = confusion + confusion.T
    np.fill_diagonal(wrong, 0)
    chosen: list[int] = []
    for flat in np.argsort(-wrong, axis=None, kind="stable")[: most * most]:
        pair = [int(index) for index in np.unravel_index(flat, wrong.shape)]
        chosen += [index for index in pair if index not in chosen]
        if len(chosen) >= most:
            break
    return np.array(chosen[:most])


def _shares(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    totals = confusion.sum(axis=1, keepdims=True)
    return np.asarray(confusion / np.maximum(totals, 1))


def _image(axes: Axes, share: NDArray[np.float64]) -> None:
    image = axes.imshow(np.ma.masked_equal(share, 0), cmap="YlOrBr", vmin=0, vmax=1, interpolation="none")
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.spines[:].set_visible(False)
    figure = axes.get_figure(root=True)
    assert figure is not None
    bar = figure.colorbar(image, ax=axes, shrink=0.6, format=lambda value, _: f"{value:.0%}")
    bar.set_label("share of the true species' photos")


def _named_matrix(axes: Axes, confusion: NDArray[np.int64], names: Sequence[str], order: NDArray[np.int64]) -> None:
    share, counts = _shares(confusion)[np.ix_(order, order)], confusion[np.ix_(order, order)]
    _image(axes, share)
    for row, column in np.argwhere(counts > 0):
        color = "white" if share[row, column] > 0.6 else INK
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=7, color=color)
    shown = [names[index] for index in order]
    axes.set_xticks(range(len(shown)), shown, rotation=90, fontsize=8, style="italic")
    axes.set_yticks(range(len(shown)), shown, fontsize=8, style="italic")


def _whole_matrix(axes: Axes, confusion: NDArray[np.int64], ladder: Ladder, order: NDArray[np.int64]) -> None:
    # Dots, not pixels: of five hundred classes one cell of the matrix is too small to be seen.
    rows, columns = np.nonzero(confusion[np.ix_(order, order)])
    share = _shares(confusion)[np.ix_(order, order)][rows, columns]
    right = rows == columns
    for chosen, color in ((right, QUIET), (~right, ACCENT)):
        axes.scatter(columns[chosen], rows[chosen], s=2 + 30 * share[chosen], color=color, linewidths=0, alpha=0.7)
    axes.set_xlim(-1, len(order))
    axes.set_ylim(len(order), -1)
    axes.set_aspect("equal")
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.spines[:].set_visible(False)
    axes.set_title(f"all {len(order)} classes by family; area: share of the row", fontsize=11, color=INK)
    families = ladder.groups["family"][order]
    starts = np.flatnonzero(np.append(True, families[1:] != families[:-1]))
    ends = np.append(starts[1:], len(order))
    for start in starts[1:]:
        axes.axhline(start - 0.5, color=QUIET, linewidth=0.25)
        axes.axvline(start - 0.5, color=QUIET, linewidth=0.25)
    large = (ends - starts) >= max(3, _NAMED_FAMILIES * len(order))
    middles = ((starts + ends - 1) / 2)[large]
    named = [ladder.names["family"][families[start]] for start in starts[large]]
    axes.set_xticks(middles, named, rotation=90, fontsize=8)
    axes.set_yticks(middles, named, fontsize=8)


def plot_reliability(before: Reliability, after: Reliability, path: Path) -> None:
    """Write how often answers are right against how sure they were, before and after temperature scaling."""
    figure = figure_of(9.6, 5.2)
    panels = figure.subplots(2, 2, sharex=True, sharey="row", gridspec_kw={"height_ratios": [4, 1]})
    for column, (title, found) in enumerate((("as the model says", before), ("with temperature", after))):
        curve, counts = panels[0, column], panels[1, column]
        there = [one for one in found.bins if one.photos]
        curve.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
        curve.plot(
            [one.confidence for one in there], [one.accuracy for one in there],
            color=ACCENT, linewidth=1.6, marker="o", markersize=4,
        )  # fmt: skip
        curve.set_title(f"{title}: ECE {found.ece:.3f}", fontsize=11, color=INK)
        counts.bar([one.lower for one in found.bins], [one.photos for one in found.bins], 1 / len(found.bins),
                   align="edge", color=QUIET, edgecolor="white", linewidth=0.8)  # fmt: skip
        counts.set_xlabel("probability of the answer")
        _percent(counts, "x")
        _light(curve)
        _light(counts)
    _percent(panels[0, 0], "y")
    panels[0, 0].set_ylabel("answers that are right")
    panels[1, 0].set_ylabel("photos")
    figure.savefig(path, dpi=_DPI)


def plot_recall(classes: Sequence[ClassMetrics], path: Path) -> None:
    """Write the recall of every class, the hardest first; of many classes, the hardest with their names."""
    judged = sorted((one for one in classes if one.recall is not None), key=lambda one: (one.recall, -one.support))
    shown = judged[:_NAMED_CLASSES]
    figure = figure_of(8, max(3.0, 1.2 + 0.24 * len(shown)))
    axes = figure.subplots()
    places = range(len(shown))
    recalls = [one.recall or 0.0 for one in shown]
    axes.hlines(places, 0, recalls, color=QUIET, linewidth=1)
    axes.plot(recalls, places, "o", color=ACCENT, markersize=5)
    axes.set_yticks(places, [one.scientific_name for one in shown], fontsize=8, style="italic")
    for place, one in enumerate(shown):
        axes.annotate(
            f"{one.recall:.0%} of {one.support}", (one.recall or 0.0, place), (7, 0), textcoords="offset points",
            va="center", fontsize=7, color=INK,
        )  # fmt: skip
    axes.invert_yaxis()
    axes.set_xlim(0, 1.14)
    axes.set_xticks(np.linspace(0, 1, 6))
    _percent(axes, "x")
    left_out = f", the {len(shown)} hardest of {len(judged)} classes" if len(judged) > len(shown) else ""
    axes.set_xlabel(f"recall{left_out}")
    _light(axes)
    figure.savefig(path, dpi=_DPI)


def plot_refusal(risk: Sequence[RiskPoint], path: Path) -> None:
    """Write the accuracy of the answers against the share of photos that is answered, the surest first."""
    from matplotlib.ticker import MaxNLocator

    figure = figure_of(7, 4.4)
    axes = figure.subplots()
    coverage, right = [one.coverage for one in risk], [1 - one.risk for one in risk]
    axes.plot(coverage, right, color=ACCENT, linewidth=1.6, marker="o", markersize=4)
    for one in risk[4::5]:
        axes.annotate(
            f"p ≥ {one.confidence:.2f}", (one.coverage, 1 - one.risk), (0, 8), textcoords="offset points",
            ha="left", fontsize=7, color=INK,
        )  # fmt: skip
    axes.set_xlabel("photos answered, the surest first")
    axes.set_ylabel("answers that are right")
    axes.set_xlim(0, 1.08)
    axes.margins(y=0.15)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    _percent(axes, "x")
    _percent(axes, "y")
    _light(axes)
    figure.savefig(path, dpi=_DPI)


def _percent(axes: Axes, which: str) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(lambda value, _: f"{value:.0%}")


def _light(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y" if len(axes.get_yticks()) < 20 else "x", color="#e4e1da", linewidth=0.5)
    axes.set_axisbelow(True)
