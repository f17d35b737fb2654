"""Fitting the prior of season and place (`prior` has the formula) on counts of observations. Needs numpy alone.

prior = fit(Counts(classes=2, label=..., row=..., column=..., month=..., observations=...))
weight = fitted_weight(probabilities, labels, log_ratios)       # on photos of the validation split
prior = dataclasses.replace(prior, weight=weight)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.errors import BundleError
from mushroom_tasks.mobile.prior import CELL, MONTHS, NORTH, SOUTH, STEPS, ZONE, Prior, weighed

_SHRINKAGE = 5.0  # k, in observations
_MOST_CELLS, _MOST_ZONES = 900, 60  # with 500 species 860 kB; those with the most observations


@dataclass(frozen=True)
class Counts:
    """Observations by class, cell and month, all of shape (N,); month 0 is not known. `classes` is how many there are.

    `row` and `column` are those of cells of 5 degrees, from the south pole and from 180 degrees west.
    """

    classes: int
    label: NDArray[np.integer]
    row: NDArray[np.integer]
    column: NDArray[np.integer]
    month: NDArray[np.integer]
    observations: NDArray[np.integer]


def fit(counts: Counts) -> Prior:
    """Return the prior of these observations, with the weight 1; see `fitted_weight` for a better one.

    Raises BundleError where the arrays do not fit each other.
    """
    _check(counts)
    cell = counts.row.astype(np.int64) * (360 // CELL) + counts.column
    zone = (counts.row.astype(np.int64) // (ZONE // CELL)) * (360 // ZONE) + counts.column // (ZONE // CELL)
    cells, zones = _largest(cell, counts.observations, _MOST_CELLS), _largest(zone, counts.observations, _MOST_ZONES)
    by_zone = _ratios(_table(counts, zone, zones), _totals(counts), np.ones((1, counts.classes)))
    around = by_zone[_places(zones, _zone_of(cells))] if len(zones) else np.ones((len(cells), counts.classes))
    around = np.where(np.isin(_zone_of(cells), zones)[:, np.newaxis], around, 1.0)
    by_cell = _ratios(_table(counts, cell, cells), _totals(counts), around)
    return Prior(
        weight=1.0,
        cells=cells.astype(np.int32),
        zones=zones.astype(np.int32),
        places=_bytes(by_cell),
        zone_places=_bytes(by_zone),
        seasons=_bytes(_seasons(counts, zone, zones)),
    )


def fitted_weight(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], log_ratios: NDArray[np.float64]
) -> float:
    """Return the weight, 0 to 1.5 in steps of 0.05, with the least log loss on photos; 0 where there are none.

    Shapes: probabilities and log_ratios (N, C), labels (N,).
    """
    if len(labels) == 0:
        return 0.0
    weights = np.arange(0, 31) / 20
    losses = [log_loss(weighed(probabilities, log_ratios, float(weight)), labels) for weight in weights]
    return float(weights[int(np.argmin(losses))])


def log_loss(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Return the mean of -log p(true class) over photos, nats."""
    return float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)).mean())


def _check(counts: Counts) -> None:
    parts = {name: getattr(counts, name) for name in ("label", "row", "column", "month", "observations")}
    limits = {"label": counts.classes, "row": 180 // CELL, "column": 360 // CELL, "month": MONTHS + 1}
    wrong = [name for name, most in limits.items() if ((parts[name] < 0) | (parts[name] >= most)).any()]
    if wrong or len({part.shape for part in parts.values()}) > 1:
        raise BundleError(
            f"the counts of a prior do not fit: {wrong or 'their lengths differ'}. Received: "
            f"{ {name: part.shape for name, part in parts.items()} }, {counts.classes} classes."
        )


def _totals(counts: Counts) -> NDArray[np.float64]:
    return np.bincount(counts.label, counts.observations.astype(np.float64), counts.classes).astype(np.float64)


def _table(counts: Counts, place: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the observations per place and class, (P, C)."""
    table = np.zeros((len(places), counts.classes))
    chosen = np.isin(place, places)
    np.add.at(table, (_places(places, place[chosen]), counts.label[chosen]), counts.observations[chosen])
    return table


def _seasons(counts: Counts, zone: NDArray[np.int64], zones: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the ratios of the months, (Z + 3, 12, C)."""
    dated = counts.month > 0
    is_north = counts.row >= 90 // CELL
    masks = [*((zone == each) & dated for each in zones), ~is_north & dated, is_north & dated, dated]
    tables = [_months(counts, mask) for mask in masks]
    flat = np.ones((1, counts.classes))
    whole = [_ratios(table, table.sum(axis=0), flat) for table in tables[len(zones) :]]
    first_north = (90 // ZONE) * (360 // ZONE)
    near = [
        _ratios(table, table.sum(axis=0), whole[NORTH if each >= first_north else SOUTH])
        for each, table in zip(zones, tables, strict=False)
    ]
    return np.stack([*near, *whole])


def _months(counts: Counts, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the observations per month and class, (12, C), a quarter of each going to either neighbour."""
    table = np.zeros((MONTHS, counts.classes))
    np.add.at(table, (counts.month[mask] - 1, counts.label[mask]), counts.observations[mask])
    return table / 2 + np.roll(table, 1, axis=0) / 4 + np.roll(table, -1, axis=0) / 4


def _ratios(
    observed: NDArray[np.float64], of_class: NDArray[np.float64], around: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the shrunk ratios (P, C) of observations (P, C) to those expected by the totals of each class."""
    share = observed.sum(axis=1, keepdims=True) / max(float(of_class.sum()), 1.0)
    return np.asarray((observed + _SHRINKAGE * around) / (share * of_class + _SHRINKAGE))


def _largest(place: NDArray[np.int64], observations: NDArray[np.integer], most: int) -> NDArray[np.int64]:
    """Return the places with the most observations, ascending."""
    places, inverse = np.unique(place, return_inverse=True)
    totals = np.bincount(inverse, observations, len(places))
    return np.sort(places[np.argsort(-totals, kind="stable")[:most]])


def _places(places: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each of the wanted stands among ascending places; anything for one that is not there."""
    return np.minimum(np.searchsorted(places, wanted), max(len(places) - 1, 0))


def _zone_of(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    row, column = np.divmod(cells, 360 // CELL)
    return np.asarray(row // (ZONE // CELL) * (360 // ZONE) + column // (ZONE // CELL))


def _bytes(ratios: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(np.rint(128 + STEPS * np.log(ratios)), 0, 255), dtype=np.uint8)
