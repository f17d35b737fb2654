"""The prior of season and place: what a month and a place say about a species before one looks at the photo.

    p(species | photo, place, date)  ∝  p(species | photo) · r(species, place, date) ^ weight
    r(species, place, date)  =  p(place, date | species) / p(place, date)

r is a ratio: 1 means that place and date say nothing. It is made of two factors that are counted apart, the place and,
given the zone the place is in, the month; so each is there without the other:

    r = r_place(species, cell) · r_season(species, month, zone)

Each factor is shrunk towards that of the larger area around it (gamma-Poisson shrinkage, DuMouchel 1999): with n the
observations of the species there, and E those expected if the species were like all others,

    r(here) = (n + k · r(around)) / (E + k),     k = 5 observations

    place    cell (5 degrees) -> zone (15 degrees) -> 1
    season   zone -> its hemisphere -> 1;  without a place: all the world -> 1

So a place where nobody has observed has the ratio of what is around it, in the end 1: unknown places change nothing,
nor does a species without observations. A month is counted with a quarter of each neighbour's observations, for the
calendar knows edges and mushrooms do not. `weight` is fitted on validation photos; 0 turns the prior off.
`prior_fitting` makes it.

The file, all numbers little-endian:

    8 bytes     MUSHPRIO
    uint32      length of the header
    header      JSON: schema_version, classes (C), degrees_cell, degrees_zone, steps, weight, cells (F), zones (Z)
    int32 (F)   cells, ascending: row * (360 / degrees_cell) + column, rows from the south pole, columns from 180° W
    int32 (Z)   zones, ascending, in the same way by degrees_zone
    uint8 (F, C)            places by cell
    uint8 (Z, C)            places by zone, for cells that are not listed
    uint8 (Z + 3, 12, C)    seasons by zone; then of the southern and northern hemisphere, and of all the world

A byte b stands for the ratio exp((b - 128) / steps). Needs numpy alone.

    prior = read(Path("prior.bin").read_bytes())
    prior.apply(probabilities, Moment(latitude=55.7, longitude=12.5, month=10))
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.errors import BundleError, SettingsError

CELL: Final = 5  # degrees; at 50 degrees north 550 by 350 km
ZONE: Final = 15
STEPS: Final = 20  # per e-fold: a byte reaches ratios from 1/600 to 570 in steps of 5 %
_MAGIC = b"MUSHPRIO"
_VERSION = 1
MONTHS: Final = 12
SOUTH, NORTH, WORLD = range(3)  # behind the zones
_MOST_HEADER = 1 << 16


@dataclass(frozen=True)
class Moment:
    """Where and when a photo was taken, as far as known; degrees, and the month 1..12.

    Raises SettingsError where something is out of its range, or one coordinate comes without the other.
    """

    latitude: float | None = None
    longitude: float | None = None
    month: int | None = None

    def __post_init__(self) -> None:
        if (self.latitude is None) != (self.longitude is None):
            raise SettingsError(
                f"a place has a latitude and a longitude. Received: latitude {self.latitude}, longitude "
                f"{self.longitude}. Give both, or neither."
            )
        limits = (("latitude", -90, 90), ("longitude", -180, 180), ("month", 1, MONTHS))
        for name, least, most in limits:
            value = getattr(self, name)
            if value is not None and not least <= value <= most:  # a NaN is not within either
                raise SettingsError(f"the {name} is between {least} and {most}. Received: {value}")


def month_of(day: str) -> int:
    """Return the month, 1..12, of a day as YYYY-MM-DD; raises SettingsError for anything else."""
    try:
        return date.fromisoformat(day).month
    except ValueError:
        raise SettingsError(f"a date is YYYY-MM-DD, such as 2026-10-03. Received: {day!r}") from None


@dataclass(frozen=True)
class Prior:
    """Ratios as bytes, see the module; `weight` is the exponent that is used."""

    weight: float
    cells: NDArray[np.int32]
    zones: NDArray[np.int32]
    places: NDArray[np.uint8]  # (F, C)
    zone_places: NDArray[np.uint8]  # (Z, C)
    seasons: NDArray[np.uint8]  # (Z + 3, 12, C)

    @property
    def classes(self) -> int:
        """C."""
        return int(self.seasons.shape[2])

    def log_ratio(self, moment: Moment) -> NDArray[np.float64]:
        """Return the natural logarithm of r for each class, shape (C,); 0 where nothing is known."""
        ratio = np.zeros(self.classes)
        zone = None
        if moment.latitude is not None and moment.longitude is not None:
            zone = _find(self.zones, _cell(moment.latitude, moment.longitude, ZONE))
            cell = _find(self.cells, _cell(moment.latitude, moment.longitude, CELL))
            if cell is not None:
                ratio += _logs(self.places[cell])
            elif zone is not None:
                ratio += _logs(self.zone_places[zone])
        if moment.month is not None:
            ratio += _logs(self.seasons[self._season(moment, zone), moment.month - 1])
        return ratio

    def apply(self, probabilities: NDArray[np.floating], moment: Moment) -> NDArray[np.float64]:
        """Return the probabilities (C,) of a photo with what place and date say; they add up to 1."""
        both = weighed(probabilities[np.newaxis], self.log_ratio(moment)[np.newaxis], self.weight)
        return both.reshape(-1)

    def _season(self, moment: Moment, zone: int | None) -> int:
        if zone is not None:
            return zone
        if moment.latitude is None:
            return len(self.zones) + WORLD
        return len(self.zones) + (NORTH if moment.latitude >= 0 else SOUTH)


def weighed(probabilities: NDArray[np.floating], log_ratios: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Return probabilities (N, C) multiplied by the ratios to the power of `weight`; each row adds up to 1."""
    logs = np.log(np.maximum(probabilities, 1e-12)) + weight * log_ratios
    raised: NDArray[np.float64] = np.exp(logs - logs.max(axis=1, keepdims=True))
    raised /= raised.sum(axis=1, keepdims=True)
    return raised


def write(prior: Prior) -> bytes:
    """Return the file of a prior; the same bytes for the same prior."""
    header = {
        "schema_version": _VERSION,
        "classes": prior.classes,
        "degrees_cell": CELL,
        "degrees_zone": ZONE,
        "steps": STEPS,
        "weight": prior.weight,
        "cells": len(prior.cells),
        "zones": len(prior.zones),
    }
    text = json.dumps(header).encode()
    parts = (prior.cells.astype("<i4"), prior.zones.astype("<i4"), prior.places, prior.zone_places, prior.seasons)
    return b"".join([_MAGIC, len(text).to_bytes(4, "little"), text, *(part.tobytes() for part in parts)])


def read(data: bytes) -> Prior:
    """Return the prior of a file; raises BundleError where it is damaged or of another version."""
    try:
        header, start = _header(data)
        classes, cells, zones = (int(header[name]) for name in ("classes", "cells", "zones"))
        shapes = ((cells,), (zones,), (cells, classes), (zones, classes), (zones + 3, MONTHS, classes))
        parts = []
        for shape, kind in zip(shapes, ("<i4", "<i4", "u1", "u1", "u1"), strict=True):
            count = int(np.prod(shape, dtype=np.int64))
            parts.append(np.frombuffer(data, kind, count, start).reshape(shape))
            start += parts[-1].nbytes
        weight = float(header["weight"])
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise BundleError(f"the prior is damaged: {error}. Copy the bundle again, or export it again.") from error
    if start != len(data) or not 0 <= weight <= 10 or min(classes, cells, zones) < 0:  # a NaN is not within
        raise BundleError(
            f"the prior is damaged: {len(data)} bytes where its header tells of {start}, weight {weight}. Copy the "
            "bundle again, or export it again."
        )
    return Prior(weight, parts[0].astype(np.int32), parts[1].astype(np.int32), *parts[2:])


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    length = int.from_bytes(data[8:12], "little")
    if data[:8] != _MAGIC or not 0 < length <= min(_MOST_HEADER, len(data) - 12):
        raise ValueError("it does not begin as one")
    header = json.loads(data[12 : 12 + length])
    expected = {"schema_version": _VERSION, "degrees_cell": CELL, "degrees_zone": ZONE, "steps": STEPS}
    received = {name: header.get(name) for name in expected} if isinstance(header, dict) else header
    if received != expected:
        raise ValueError(f"it is of another kind; expected {expected}, received {received}")
    return header, 12 + length


def _cell(latitude: float, longitude: float, degrees: int) -> int:
    row = min(int((latitude + 90) // degrees), 180 // degrees - 1)
    return row * (360 // degrees) + min(int((longitude + 180) // degrees), 360 // degrees - 1)


def _find(places: NDArray[np.int32], wanted: int) -> int | None:
    index = int(np.searchsorted(places, wanted))
    return index if index < len(places) and places[index] == wanted else None


def _logs(ratios: NDArray[np.uint8]) -> NDArray[np.float64]:
    return (ratios.astype(np.float64) - 128) / STEPS
