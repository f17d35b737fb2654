"""How near the photos of one class are to each other and to photos by other people, and how near is near enough.

Distances are Euclidean between features of unit length: 0 for the same direction, 2 for the opposite one.

    near = by_others(distances(unit(features)), observers)
    choose_eps({"Amanita muscaria": k_distances(near, min_samples=4)}, fixed=None)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

FARTHEST = 2.0  # between unit vectors
UNRELATED = 3.0  # stands for "no neighbour": finite for scikit-learn, yet beyond every eps
_CROWD = 0.5  # share of a class beyond which one observer's photos must vouch for each other
_BLOCK = 1024  # rows of the distance matrix at once

_TYPICAL, _NEAREST = 0.4, 0.1  # quantiles of the k-distances, below what junk can reach
_QUANTILE_GAP = 1.028  # between these two, in standard deviations of a normal distribution
_DEVIATIONS = 4.0  # from the typical quantile to eps; the tail of real k-distances is longer than a normal one
_STEADYING = 100  # photos a class needs for its own quantile to weigh as much as the data set's
_SMALLEST_EPS = 2e-3  # below it float32 cannot tell unit vectors apart

Distances = NDArray[np.float32]


def unit(features: NDArray[Any]) -> NDArray[np.float32]:
    """Return features (N, F), finite and none of them all zero, scaled to unit length as float32."""
    wide = features.astype(np.float64)
    scaled: NDArray[np.float32] = (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def distances(features: NDArray[np.float32]) -> Distances:
    """Return the distances (N, N) between unit features (N, F).

    Exact to about 1e-3 for near twins, for float32 cannot tell them apart. Costs 4 N^2 bytes and a block more.
    """
    count = len(features)
    result = np.empty((count, count), np.float32)
    for start in range(0, count, _BLOCK):
        block = features[start : start + _BLOCK] @ features.T
        result[start : start + _BLOCK] = np.sqrt(np.maximum(2 - 2 * block, 0))
    np.fill_diagonal(result, 0)
    return result


def by_others(near: Distances, observers: NDArray[np.int64]) -> Distances:
    """Return distances in which photos of one observer are no neighbours, so that a series cannot vouch for itself.

    Where one observer took more than half of the photos there are too few others to ask: then nothing changes.
    """
    _, counts = np.unique(observers, return_counts=True)
    if counts.max() > _CROWD * len(observers):
        return near
    others = np.where(observers[:, None] == observers[None, :], np.float32(UNRELATED), near)
    np.fill_diagonal(others, 0)
    return others


def k_distances(near: Distances, min_samples: int) -> NDArray[np.float32]:
    """Return how far each of N photos has to reach for min_samples photos, itself among them, shape (N,).

    Within eps exactly where DBSCAN makes the photo a core sample.
    """
    return np.partition(near, min_samples - 1, axis=1)[:, min_samples - 1]


def choose_eps(k_distances_by_class: Mapping[str, NDArray[np.float32]], fixed: float | None) -> dict[str, float]:
    """Return eps per class from its k-distances, steadied by those of all classes; or the fixed one for each.

    How, and why not from the knee of the curve, is told in `prune`.
    """
    if fixed is not None:
        return dict.fromkeys(k_distances_by_class, fixed)
    if not k_distances_by_class:
        return {}
    typical = {name: float(np.quantile(values, _TYPICAL)) for name, values in k_distances_by_class.items()}
    gaps = [typical[name] - np.quantile(values, _NEAREST) for name, values in k_distances_by_class.items()]
    steady = float(np.median(list(typical.values())))
    margin = _DEVIATIONS * float(np.median(gaps)) / _QUANTILE_GAP
    chosen = {}
    for name, values in k_distances_by_class.items():
        own = len(values) / (len(values) + _STEADYING)
        chosen[name] = float(np.clip(own * typical[name] + (1 - own) * steady + margin, _SMALLEST_EPS, FARTHEST))
    return chosen
