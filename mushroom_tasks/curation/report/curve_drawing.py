"""A k-distance curve as the numbers of an SVG drawing: the page draws it in the colours of the reader's theme.

drawing = draw(Curve((0.2, 0.3, 0.9), eps=0.5, photos=3), (0.2, 1.0))
drawing.line          # "40.0,108.2 ..." points of a polyline
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mushroom_tasks.curation.report.content import Curve

WIDTH, HEIGHT = 360, 170
LEFT, RIGHT, TOP, BOTTOM = 34.0, 352.0, 10.0, 140.0  # of the field between the axes
_MOST_POINTS = 120
_MOST_MARKS = 4
_LEAST_SPAN = 0.1

Span = tuple[float, float]


@dataclass(frozen=True)
class Tick:
    """A mark on the vertical axis."""

    text: str
    down: float


@dataclass(frozen=True)
class CurveDrawing:
    """Points of the curve, of its part beyond eps, the height of eps, and the marks of the axes."""

    line: str
    beyond: str
    eps: float
    eps_down: float
    crossing: float
    count: int
    far: int
    ticks: tuple[Tick, ...]


def span(curves: Iterable[Curve]) -> Span:
    """Return the distances between which all these curves lie, to full tenths."""
    ends = [value for curve in curves for value in (curve.distances[0], curve.distances[-1], curve.eps)]
    return (math.floor(min(ends) * 10) / 10, math.ceil(max(ends) * 10) / 10) if ends else (0.0, 1.0)


def draw(curve: Curve, between: Span) -> CurveDrawing:
    """Return the drawing of a curve whose axis shows the distances `between`, the same for all curves of a page."""
    values = np.sort(np.asarray(curve.distances, np.float64))
    beyond_eps = int(np.sum(values > curve.eps))
    kept = np.unique(np.linspace(0, len(values) - 1, min(len(values), _MOST_POINTS)).round().astype(int))
    across = LEFT + (RIGHT - LEFT) * kept / max(len(values) - 1, 1)
    points = list(zip(across.tolist(), (_down(value, between) for value in values[kept]), strict=True))
    crossing = LEFT + (RIGHT - LEFT) * (len(values) - beyond_eps - 0.5) / max(len(values) - 1, 1)
    eps_down = _down(curve.eps, between)
    beyond = [(crossing, eps_down), *(p for p in points if p[0] > crossing), (RIGHT, eps_down)] if beyond_eps else []
    return CurveDrawing(
        line=_text(points),
        beyond=_text(beyond),
        eps=curve.eps,
        eps_down=eps_down,
        crossing=crossing,
        count=curve.photos,
        far=round(curve.photos * beyond_eps / len(values)),
        ticks=tuple(Tick(f"{value:.1f}", _down(value, between)) for value in _marks(between)),
    )


def _marks(between: Span) -> list[float]:
    low, high = between
    step = max(0.1, math.ceil((high - low) / _MOST_MARKS * 10) / 10)
    return [round(low + step * number, 1) for number in range(int((high - low) / step + 1.001))]


def _down(value: float, between: Span) -> float:
    low, high = between
    return BOTTOM - (BOTTOM - TOP) * (float(value) - low) / max(high - low, _LEAST_SPAN)


def _text(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{across:.1f},{down:.1f}" for across, down in points)
