"""Clusters of the photos of one class: looks of the species, and series that nobody else confirms.

DBSCAN* (Campello et al. 2013: core samples only, for a border sample hangs on by one chance neighbour) with people
instead of photos: a photo is a core sample where enough other people's photos are within eps. Clusters of core samples
are looks of the species, the main one first. What is left may form clusters of its own once photos of one observer
count for each other: those are stray, a series by one person or a few.

    clusters = find_clusters(near, k_distance, observers, eps=1.05, min_samples=4)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.curation.pruning.neighbours import Distances

_LARGE = 0.5  # of the main cluster's photos: a larger group of several people is no stray


@dataclass(frozen=True)
class Clusters:
    """The clusters of n photos.

    Attributes
    ----------
    label : int64 (n,)
        0 is the main cluster, -1 no cluster.
    confirmed
        How many clusters enough people confirm, looks of the species: labels below this; the others are stray.
    """

    label: NDArray[np.int64]
    confirmed: int

    @property
    def is_stray(self) -> NDArray[np.bool_]:
        """Which photos are in a stray cluster."""
        return self.label >= max(self.confirmed, 1)

    def stray(self) -> list[NDArray[np.intp]]:
        """Return the photos of each stray cluster."""
        return [np.flatnonzero(self.label == label) for label in range(max(self.confirmed, 1), self.label.max() + 1)]

    def is_large(self, photos: NDArray[np.intp], observers: NDArray[np.int64]) -> bool:
        """Tell whether a stray cluster is half as large as the main one and of several observers."""
        return len(photos) >= _LARGE * np.sum(self.label == 0) and len(np.unique(observers[photos])) > 1


def find_clusters(
    near: Distances, k_distance: NDArray[np.float32], observers: NDArray[np.int64], eps: float, min_samples: int
) -> Clusters:
    """Return the clusters of a class by distances (n, n), k-distances (n,) and observers (n,)."""
    label = np.full(len(near), -1, np.int64)
    core = np.flatnonzero(k_distance <= eps)
    label[core] = dbscan(near[np.ix_(core, core)], eps, 1)
    label = main_first(label, observers)
    confirmed = int(label.max()) + 1
    rest = np.flatnonzero(label < 0)
    groups = dbscan(near[np.ix_(rest, rest)], eps, min_samples)
    label[rest] = np.where(groups >= 0, groups + max(confirmed, 1), -1)
    return Clusters(label, confirmed)


def dbscan(near: Distances, eps: float, min_samples: int) -> NDArray[np.int64]:
    """Return DBSCAN's labels_ for distances (n, n)."""
    from sklearn.cluster import DBSCAN

    if len(near) < min_samples:
        return np.full(len(near), -1, np.int64)
    labels: NDArray[np.int64] = DBSCAN(eps=eps, min_samples=min_samples, metric="precomputed").fit(near).labels_
    return labels.astype(np.int64)


def main_first(label: NDArray[np.int64], observers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return labels renumbered by observers, then photos: the cluster most people vouch for becomes 0."""
    weight = [(len(np.unique(observers[label == c])), np.sum(label == c)) for c in range(label.max() + 1)]
    order = sorted(range(len(weight)), key=lambda c: weight[c], reverse=True)
    renumbered = np.empty(len(order) + 1, np.int64)
    renumbered[order], renumbered[-1] = np.arange(len(order)), -1
    return renumbered[label]
