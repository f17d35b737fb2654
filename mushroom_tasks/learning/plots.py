"""Plots: the curves of all phases, and the figure that every plot is drawn on.

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

INK, ACCENT, QUIET = "#2b2d33", "#b5432a", "#8a8f98"
_SHADE = "#f1eee8"


def plot_curves(phases: Sequence[PhaseResult], path: Path) -> None:
    """Write accuracy and loss of all phases, on one axis of epochs, as a PNG.

    The head's phase has many cheap epochs and the others few dear ones, so every phase takes the same width.
    """
    figure = figure_of(9.6, 6.4)
    accuracy, loss = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 2]})
    best_loss = min(phase.best["val_loss"] for phase in phases)
    for number, phase in enumerate(phases):
        places = number + (np.arange(len(phase.epochs)) + 0.5) / len(phase.epochs)
        for axes, metric in ((accuracy, "accuracy"), (loss, "loss")):
            axes.axvspan(number, number + 1, color=_SHADE if number % 2 == 0 else "white", zorder=0)
            _line(axes, places, [epoch[metric] for epoch in phase.epochs], QUIET)
            _line(axes, places, [epoch[f"val_{metric}"] for epoch in phase.epochs], ACCENT)
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
    axes.plot([x], [y], marker="o", markersize=9, markerfacecolor="none", markeredgecolor=INK, zorder=5)
    axes.annotate(
        text, (x, y), (0, -16), textcoords="offset points", ha="center", va="top", fontsize=9, color=INK, weight="bold"
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
        color=INK,
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


def figure_of(width: float, height: float) -> Figure:
    """Return an empty figure, in inches, that belongs to nobody else."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
