"""From what the model answers to what an app may show: calibrated, with what season and place say, and with its doubts.

In this order, with the figures of `bundle.json` ("calibration") and `prior.bin`:

1. temper: p ** (1 / temperature), scaled to add up to 1;
2. none of these: `sureness` of these probabilities below the threshold (place and date cannot say what is in a photo);
3. prior: times r ** weight, scaled to add up to 1 (see `prior`);
4. rank: the species, else its genus, else its family, by the sum of probabilities that reaches the rank's threshold.

numpy alone.

    shown = tempered(probabilities, 0.8)
    sureness("margin", shown)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.mobile.schema import Calibration, Species, Unknown

_LEAST_PROBABILITY = 1e-12  # a softmax rounds to 0 what has a logarithm


@dataclass(frozen=True)
class Group:
    """A species, or a genus or family where that is all that is sure; `probability` is the sum of its species'."""

    rank: str
    name: str
    probability: float


def tempered(probabilities: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Return calibrated probabilities (C,): softmax(log(p) / temperature)."""
    scaled = _logarithms(probabilities) / temperature
    raised: NDArray[np.float64] = np.exp(scaled - scaled.max())
    raised /= raised.sum()
    return raised


def sureness(score: str, probabilities: NDArray[np.float64]) -> float:
    """Return how sure calibrated probabilities (C,) are that one of the species is in the photo; higher is surer.

    max probability     the largest
    margin              the largest less the second
    negative entropy    the sum of p log(p)
    centred energy      minus the mean of log(p)
    """
    if score == "max probability":
        return float(probabilities.max())
    if score == "margin":
        second, first = np.partition(probabilities, -2)[-2:]
        return float(first - second)
    logarithms = _logarithms(probabilities)
    if score == "negative entropy":
        return float(np.exp(logarithms) @ logarithms)
    return float(-logarithms.mean())


def is_none_of_these(unknown: Unknown | None, probabilities: NDArray[np.float64]) -> bool | None:
    """Tell whether a photo is taken for none of the species; None where nobody measured when it is."""
    return None if unknown is None else sureness(unknown.score, probabilities) < unknown.threshold


def best_group(
    calibration: Calibration, species: Sequence[Species], probabilities: NDArray[np.float64]
) -> Group | None:
    """Return the best group of the lowest rank that is sure enough; None where none is, or nobody measured it."""
    for step in calibration.ranks:
        names = [_name_at(item, step.rank) for item in species]
        unique, inverse = np.unique(names, return_inverse=True)
        sums = np.bincount(inverse, probabilities)
        best = int(sums.argmax())
        if step.threshold is not None and sums[best] >= step.threshold:
            return Group(step.rank, str(unique[best]), float(sums[best]))
    return None


def _name_at(species: Species, rank: str) -> str:
    """Return the name of the species' taxon of a rank; its own where its taxonomy lacks the rank."""
    if rank == "species":
        return species.scientific_name
    return next((taxon.name for taxon in species.taxonomy if taxon.rank == rank), species.scientific_name)


def _logarithms(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.log(np.maximum(probabilities.astype(np.float64), _LEAST_PROBABILITY))
