"""Plots: the curves of all phases, and the confusion matrix.

    plot_curves(result.phases, folder / "curves.png")

Drawn on figures of their own, without pyplot's global state, so that threads and servers may call them. Needs
matplotlib.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.learning.phases import PhaseResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TRAIN, _VALIDATION, _INK, _SHADE = "#8a8f98", "#b5432a", "#2b2d33", "#f1eee8"
_NUMBERS_UP_TO = 40  # classes; in a larger matrix the counts would be too small to read


def plot_curves(phases: Sequence[PhaseResult], path: Path) -> None:
    """Write accuracy and loss of all phases, on one axis of epochs, as a PNG.

    The head's phase has many cheap epochs and the others few dear ones, so every phase takes the same width.
    """
    figure = _figure(9.6, 6.4)
    accuracy, loss = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 2]})
    best_loss = min(phase.best["val_loss"] for phase in phases)
    for number, phase in enumerate(phases):
        places = number + (np.arange(len(phase.epochs)) + 0.5) / len(phase.epochs)
        for axes, metric in ((accuracy, "accuracy"), (loss, "loss")):
            axes.axvspan(number, number + 1, color=_SHADE if number % 2 == 0 else "white", zorder=0)
            _line(axes, places, [epoch[metric] for epoch in phase.epochs], _TRAIN)
            _line(axes, places, [epoch[f"val_{metric}"] for epoch in phase.epochs], _VALIDATION)
        best = phase.epochs.index(phase.best)
        if phase.best["val_loss"] == best_loss:
            _mark(accuracy, places[best], phase.best["val_accuracy"], f"kept: {phase.best['val_accuracy']:.1%}")
            _mark(loss, places[best], best_loss, f"{best_loss:.2f}")
        _title(accuracy, number, phase)
    _finish_curves(accuracy, loss, phases)
    figure.savefig(path, dpi=130)


def _line(axes: Axes, places: NDArray[np.float64], values: list[float], color: str) -> None:
    axes.plot(places, values, color=color, linewidth=1.8, marker="o", markersize=2.5 if len(values) > 20 else 4)


def _mark(axes: Axes, x: float, y: float, text: str) -> None:
    axes.plot([x], [y], marker="o", markersize=9, markerfacecolor="none", markeredgecolor=_INK, zorder=5)
    axes.annotate(
        text, (x, y), (0, -16), textcoords="offset points", ha="center", va="top", fontsize=9, color=_INK, weight="bold"
    )


def _title(axes: Axes, number: int, phase: PhaseResult) -> None:
    reach = {0.0: "head alone", 1.0: "all blocks"}.get(phase.depth, f"top {phase.depth:.0%} of the blocks")
    axes.text(
        number + 0.5,
        1.02,
        f"{phase.name}\n{reach} · {len(phase.epochs)} epochs · {phase.seconds:.0f} s",
        transform=axes.get_xaxis_transform(),
        ha="center",
        va="bottom",
        fontsize=9,
        color=_INK,
    )


def _finish_curves(accuracy: Axes, loss: Axes, phases: Sequence[PhaseResult]) -> None:
    ticks = [(number + (n - 0.5) / len(p.epochs), n) for number, p in enumerate(phases) for n in _numbered(p)]
    loss.set_xticks([place for place, _ in ticks], [str(epoch) for _, epoch in ticks])
    loss.set_xlim(0, len(phases))
    loss.set_xlabel("epoch of the phase")
    accuracy.set_ylabel("accuracy")
    accuracy.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    loss.set_ylabel("loss")
    for axes in (accuracy, loss):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#d9d6cf", linewidth=0.6)
        axes.margins(y=0.12)
    handles = [accuracy.lines[0], accuracy.lines[1]]
    labels = ["training (augmented photos after the head's phase)", "validation"]
    accuracy.legend(handles, labels, loc="lower right", frameon=False, fontsize=9)


def _numbered(phase: PhaseResult) -> list[int]:
    count = len(phase.epochs)
    step = max(1, round(count / 6))
    return [n for n in range(1, count + 1) if n == 1 or n % step == 0]


def plot_confusion(confusion: NDArray[np.int64], classes: Sequence[str], path: Path) -> None:
    """Write a confusion matrix (C, C), rows true and columns predicted, as a PNG.

    Colour is the share of the row, so that rare species read like common ones; numbers are photos.
    """
    count = len(classes)
    side = min(max(5.0, 2.6 + 0.36 * count), 40.0)
    figure = _figure(side + 1.0, side)
    axes = figure.subplots()
    totals = confusion.sum(axis=1, keepdims=True)
    share = np.divide(confusion, totals, out=np.zeros(confusion.shape), where=totals > 0)
    image = axes.imshow(np.ma.masked_equal(share, 0), cmap="YlOrBr", vmin=0, vmax=1)
    if count <= _NUMBERS_UP_TO:
        for row, column in np.argwhere(confusion > 0):
            color = "white" if share[row, column] > 0.6 else _INK
            axes.text(column, row, str(confusion[row, column]), ha="center", va="center", fontsize=7, color=color)
    axes.set_xticks(range(count), list(classes), rotation=90, fontsize=8, style="italic")
    axes.set_yticks(range(count), list(classes), fontsize=8, style="italic")
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, format=lambda value, _: f"{value:.0%}")
    bar.set_label("share of the true species' photos")
    figure.savefig(path, dpi=130)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
