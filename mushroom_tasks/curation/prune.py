"""Prune: flag the photos of each class that look like no group of its photos.

What is photographed as a species holds hands, spore prints, labels, habitats; singly, and as whole series by one
person. A photo is typical of its class when photos *by other people* look like it. So:

1. Features are scaled to unit length; distances are Euclidean, 0 (same direction) to 2.
2. Each photo's k-distance reaches to its (min_samples - 1)th nearest photo by another observer. A series by one
   observer, however dense, gives its members no support.
3. eps per class comes from its k-distances: their 40 % quantile plus 4 standard deviations, told from the 10 and 40 %
   quantiles. Junk lengthens the upper end of the k-distance curve alone, so its lower half says what is typical even
   in a class with much junk. The quantile is drawn towards that of the whole data set, the more the fewer photos the
   class has, and the deviation is that of the whole data set: a few dozen k-distances say little about their tail.
   (The knee of the curve, the usual advice, jumps with single photos in classes of this size.)
4. DBSCAN with these distances. Only core samples count as typical, as in DBSCAN* (Campello et al. 2013): a border
   sample hangs on by one chance neighbour. The rest is `noise`.
5. `stray_cluster`: small clusters apart from the main one that fewer than min_samples observers vouch for, and noise
   that forms a cluster of its own once photos of the same observer count. A second look that several people
   photographed (young, old, from below) survives.

Needs scikit-learn, imported when it prunes. Cost: O(n^2) time and 4 n^2 bytes for a class of n photos.

    result = prune(names, features, observers, PruningSettings())
    kept = ~result.is_outlier

References
----------
Ester et al. (1996), "A density-based algorithm for discovering clusters in large spatial databases with noise".
Campello, Moulavi, Sander (2013), "Density-based clustering based on hierarchical density estimates".
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.curation.neighbours import Distances, by_others, choose_eps, distances, k_distances, unit
from mushroom_tasks.errors import CurationError
from mushroom_tasks.settings import PruningSettings

logger = logging.getLogger(__name__)

NOISE = "noise"
STRAY_CLUSTER = "stray_cluster"

_STEEPNESS = 8  # of the score around eps: distances in high dimensions differ by little
_SMALL = 0.5  # of the main cluster's photos; a larger cluster is no stray, whoever took it
_FARTHEST_SCORED = 4.0  # in eps; the score is 1 long before


@dataclass(frozen=True)
class ClassReport:
    """What pruning did to one class, JSON-friendly.

    `eps` is None for a class that is too small and was left alone; `held_back` photos were flagged but stay, because
    `max_pruned_share` was reached.
    """

    photos: int
    observers: int
    eps: float | None = None
    clusters: int = 1
    noise: int = 0
    stray_cluster: int = 0
    held_back: int = 0


@dataclass(frozen=True)
class Pruning:
    """The outcome per photo, in the order of the input, and per class.

    Attributes
    ----------
    cluster_label : int32 (N,)
        Cluster within the class, 0 is the main one, -1 is noise. 0 in classes left alone.
    is_outlier : bool (N,)
    reason : object (N,)
        `noise` or `stray_cluster` where `is_outlier`, else None.
    outlier_score : float32 (N,)
        0 typical, 0.5 at eps, 1 surely not this class. 0 in classes left alone.
    eps_by_class
        eps of each class that was pruned, a distance between unit vectors (0 to 2).
    report
        One `ClassReport` per class.
    """

    cluster_label: NDArray[np.int32]
    is_outlier: NDArray[np.bool_]
    reason: NDArray[np.object_]
    outlier_score: NDArray[np.float32]
    eps_by_class: dict[str, float]
    report: dict[str, ClassReport]


@dataclass(frozen=True)
class _Clusters:
    """One class after DBSCAN: label and reason per photo, and how far it is from what is typical."""

    label: NDArray[np.int32]
    reason: NDArray[np.object_]
    distance: NDArray[np.float64]  # beyond eps where there is a reason


def prune(
    classes: NDArray[Any], embeddings: NDArray[Any], observers: NDArray[np.int64], settings: PruningSettings
) -> Pruning:
    """Flag the outliers of each class.

    The result depends neither on the order of the rows nor on chance; the inputs are not changed.

    Parameters
    ----------
    classes
        Class of each photo, strings or integers, shape (N,).
    embeddings
        Features of each photo, of any length (they are scaled here), shape (N, F).
    observers
        Who took each photo, shape (N,).
    settings
        `eps` fixes the radius for all classes, instead of choosing it from the data.

    Raises
    ------
    CurationError
        Where shapes do not fit, or the features of a photo are all zero or not finite.
    """
    _check(classes, embeddings, observers)
    members = _members(classes, embeddings, observers)
    # Below twice min_samples an observer with half of the photos would leave the others no neighbourhood.
    least = max(settings.min_class_size, 2 * settings.min_samples)
    large = {name: rows for name, rows in members.items() if len(rows) >= least}
    eps_by_class = choose_eps(
        {
            name: k_distances(_by_others(embeddings, observers, rows), settings.min_samples)
            for name, rows in large.items()
        },
        settings.eps,
    )
    result = Pruning(
        cluster_label=np.zeros(len(classes), np.int32),
        is_outlier=np.zeros(len(classes), np.bool_),
        reason=np.full(len(classes), None, np.object_),
        outlier_score=np.zeros(len(classes), np.float32),
        eps_by_class=eps_by_class,
        report={name: ClassReport(len(rows), len(np.unique(observers[rows]))) for name, rows in members.items()},
    )
    for name, rows in large.items():
        _prune_class(result, name, rows, embeddings, observers, settings)
    logger.info("pruned %d of %d photos in %d classes", result.is_outlier.sum(), len(classes), len(members))
    return result


def outlier_score(distance: NDArray[Any], eps: float) -> NDArray[np.float32]:
    """Return a score in [0, 1] that rises with the distance: near 0 for the typical, 0.5 at eps, 1 far beyond."""
    ratio = np.minimum(np.asarray(distance, np.float64) / eps, _FARTHEST_SCORED)
    score: NDArray[np.float32] = (1 - np.exp2(-(ratio**_STEEPNESS))).astype(np.float32)
    return score


def _check(classes: NDArray[Any], embeddings: NDArray[Any], observers: NDArray[np.int64]) -> None:
    if classes.ndim != 1 or embeddings.ndim != 2 or not len(classes) == len(embeddings) == len(observers):
        raise CurationError(
            "pruning needs classes (N,), embeddings (N, F) and observers (N,). "
            f"Received: {classes.shape}, {embeddings.shape}, {observers.shape}"
        )
    squares = np.einsum("ij,ij->i", embeddings, embeddings, dtype=np.float64)
    unusable = np.flatnonzero(~np.isfinite(squares) | (squares <= 0))
    if len(unusable):
        raise CurationError(
            f"the features of {len(unusable)} photos are all zero or not finite, the first in row {unusable[0]}. "
            "Embed them again; if they stay so, the backbone's weights are damaged."
        )


def _members(
    classes: NDArray[Any], embeddings: NDArray[Any], observers: NDArray[np.int64]
) -> dict[str, NDArray[np.intp]]:
    """Return the rows of each class, in an order that depends on their content alone."""
    content = [
        hashlib.blake2b(features.tobytes() + int(observer).to_bytes(8, "big", signed=True), digest_size=16).digest()
        for features, observer in zip(embeddings, observers, strict=True)
    ]
    by_content = np.array(sorted(range(len(content)), key=content.__getitem__), np.intp)
    names, index = np.unique(classes[by_content], return_inverse=True)
    by_class = by_content[np.argsort(index, kind="stable")]
    parts = np.split(by_class, np.cumsum(np.bincount(index, minlength=len(names)))[:-1]) if len(names) else []
    return {str(name): part for name, part in zip(names, parts, strict=True)}


def _by_others(embeddings: NDArray[Any], observers: NDArray[np.int64], rows: NDArray[np.intp]) -> Distances:
    return by_others(distances(unit(embeddings[rows])), observers[rows])


def _prune_class(
    result: Pruning,
    name: str,
    rows: NDArray[np.intp],
    embeddings: NDArray[Any],
    observers: NDArray[np.int64],
    settings: PruningSettings,
) -> None:
    eps = result.eps_by_class[name]
    clusters = _cluster(distances(unit(embeddings[rows])), observers[rows], eps, settings.min_samples)
    flagged = np.array([reason is not None for reason in clusters.reason])
    outlier = _most_outlying(clusters.distance, flagged, int(len(rows) * settings.max_pruned_share + 1e-9))
    reason = clusters.reason.copy()
    reason[~outlier] = None
    result.cluster_label[rows] = clusters.label
    result.is_outlier[rows] = outlier
    result.reason[rows] = reason
    result.outlier_score[rows] = outlier_score(clusters.distance, eps)
    result.report[name] = ClassReport(
        photos=len(rows),
        observers=len(np.unique(observers[rows])),
        eps=eps,
        clusters=len(np.unique(clusters.label[clusters.label >= 0])),
        noise=int(np.sum(reason == NOISE)),
        stray_cluster=int(np.sum(reason == STRAY_CLUSTER)),
        held_back=int(flagged.sum() - outlier.sum()),
    )


def _cluster(near: Distances, observers: NDArray[np.int64], eps: float, min_samples: int) -> _Clusters:
    others = by_others(near, observers)
    label = _dbscan(others, eps, min_samples)
    distance = k_distances(others, min_samples).astype(np.float64)
    reason = np.full(len(label), None, np.object_)
    reason[label < 0] = NOISE
    label = _main_first(label, observers)
    main = label == 0
    enough = min(min_samples, len(np.unique(observers[main])))
    for cluster in range(1, label.max() + 1):
        stray = label == cluster
        if len(np.unique(observers[stray])) < enough and stray.sum() < _SMALL * main.sum():
            reason[stray] = STRAY_CLUSTER
            nearest = np.sort(others[np.ix_(stray, main)], axis=1)
            distance[stray] = nearest[:, min(min_samples - 1, nearest.shape[1]) - 1]
    # A series by one observer has no support from others, so it is among the noise: there it is a cluster.
    noise = np.flatnonzero(label < 0)
    if len(noise) >= min_samples:
        series = _dbscan(near[np.ix_(noise, noise)], eps, min_samples)
        reason[noise[series >= 0]] = STRAY_CLUSTER
        label[noise] = np.where(series >= 0, series + max(label.max() + 1, 1), -1)
    return _Clusters(label.astype(np.int32), reason, distance)


def _dbscan(near: Distances, eps: float, min_samples: int) -> NDArray[np.int64]:
    """Return DBSCAN's labels with border samples as noise (DBSCAN*)."""
    from sklearn.cluster import DBSCAN

    model = DBSCAN(eps=eps, min_samples=min_samples, metric="precomputed").fit(near)
    label = np.full(len(near), -1, np.int64)
    label[model.core_sample_indices_] = model.labels_[model.core_sample_indices_]
    return label


def _main_first(label: NDArray[np.int64], observers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return labels renumbered by observers, then photos: the cluster most people vouch for becomes 0."""
    weight = [(len(np.unique(observers[label == c])), np.sum(label == c)) for c in range(label.max() + 1)]
    order = sorted(range(len(weight)), key=lambda c: weight[c], reverse=True)
    renumbered = np.empty(len(order) + 1, np.int64)
    renumbered[order], renumbered[-1] = np.arange(len(order)), -1
    return renumbered[label]


def _most_outlying(distance: NDArray[np.float64], flagged: NDArray[np.bool_], limit: int) -> NDArray[np.bool_]:
    """Return at most `limit` of the flagged photos; equals at the limit are all let go, so none is singled out."""
    if flagged.sum() <= limit:
        return flagged
    first_let_go = np.sort(distance[flagged])[::-1][limit]
    most: NDArray[np.bool_] = flagged & (distance > first_let_go)
    return most
