"""Other ways to find outliers in a class, on the same embeddings: what people would take from scikit-learn instead.

Each looks at one class at a time, as pruning does, and at features of unit length. It is shown with its defaults, and
with the parameters and the threshold that the truth says are best for it, which nobody knows who has no truth: those
rows flatter it.

    for found in dbscan(photos): ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from inputs.labelled_bucket import LabelledPhotos
from numpy.typing import NDArray
from scoring import Found, best_threshold, f1
from sklearn.cluster import DBSCAN, HDBSCAN
from sklearn.ensemble import IsolationForest
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import normalize

MIN_SAMPLES = 4  # of DBSCAN, as ours has it
EPS = tuple(np.round(np.arange(0.2, 0.81, 0.025), 3))  # cosine distances
MIN_CLUSTER_SIZES = (3, 5, 8, 12, 20)  # of HDBSCAN, its default among them
NEIGHBOURS = (5, 10, 20, 35)  # of LocalOutlierFactor, its default among them
FLAGS_NOISE, FLAGS_OTHERS = "flags noise", "flags all but the main cluster"
TREES = (100, 500)  # of IsolationForest

Flags = NDArray[np.bool_]
Scores = NDArray[Any]


def by_class(
    photos: LabelledPhotos, way: Callable[[NDArray[np.float32]], tuple[Flags, Scores]]
) -> tuple[Flags, Scores]:
    """Return flags and scores of all photos, made class by class from unit features."""
    flagged, score = np.zeros(len(photos.labels), bool), np.zeros(len(photos.labels))
    for name in np.unique(photos.labels):
        rows = photos.labels == name
        flagged[rows], score[rows] = way(normalize(photos.embeddings[rows]))
    return flagged, score


def all_detectors(photos: LabelledPhotos) -> Iterator[Found]:
    """Yield every way, with its defaults and at its best."""
    yield from dbscan(photos)
    yield from hdbscan(photos)
    yield from local_outlier_factor(photos)
    yield from isolation_forest(photos)


def dbscan(photos: LabelledPhotos) -> Iterator[Found]:
    """One eps for all classes, the best there is; DBSCAN has no default that means anything here."""
    count = len(photos.labels)
    noise, others = ({eps: np.zeros(count, bool) for eps in EPS} for _ in range(2))
    for rows, near, _ in _classes(photos):
        for eps in EPS:
            # Between unit vectors the Euclidean distance d and the cosine distance c obey d^2 = 2 c.
            noise[eps][rows], others[eps][rows] = _dbscan(near, float(np.sqrt(2 * eps)))
    for flagging, flags in {FLAGS_NOISE: noise, FLAGS_OTHERS: others}.items():
        eps = _best(photos, flags)
        yield Found(f"DBSCAN, best fixed eps, {flagging}", flags[eps], k_distances(photos), f"{eps:g}")


def dbscan_at_knees(photos: LabelledPhotos, knees: Mapping[str, float]) -> Iterator[Found]:
    """One eps for each class, where its k-distance curve has its knee: the usual advice, and no truth is needed."""
    noise, others = (np.zeros(len(photos.labels), bool) for _ in range(2))
    for rows, near, name in _classes(photos):
        noise[rows], others[rows] = _dbscan(near, knees[name])
    for flagging, flags in {FLAGS_NOISE: noise, FLAGS_OTHERS: others}.items():
        yield Found(f"DBSCAN, eps at the knee of the k-distance curve, {flagging}", flags, k_distances(photos))


def k_distances(photos: LabelledPhotos) -> Scores:
    """Return the distance within which DBSCAN finds so many photos of the class that one is a core sample, (N,)."""
    found = np.zeros(len(photos.labels))
    for rows, near, _ in _classes(photos):
        found[rows] = np.partition(near, MIN_SAMPLES - 1, axis=1)[:, MIN_SAMPLES - 1]
    return found


def _classes(photos: LabelledPhotos) -> Iterator[tuple[Flags, NDArray[np.float32], str]]:
    """Yield which photos are of each class, their distances, and its name."""
    for name in np.unique(photos.labels):
        rows = photos.labels == name
        yield rows, euclidean_distances(normalize(photos.embeddings[rows])), str(name)


def _dbscan(near: NDArray[np.float32], eps: float) -> tuple[Flags, Flags]:
    """Return which photos are noise, and which are not in the main cluster."""
    labels = DBSCAN(eps=eps, min_samples=MIN_SAMPLES, metric="precomputed").fit(near).labels_
    return labels < 0, labels != _main(labels)


def hdbscan(photos: LabelledPhotos) -> Iterator[Found]:
    """Flags noise; its score is how weakly a photo belongs to its cluster."""
    yield Found("HDBSCAN, defaults", *by_class(photos, _hdbscan(5, single=False, main=False)))
    ways = {
        (size, single, main): by_class(photos, _hdbscan(size, single=single, main=main))
        for size in MIN_CLUSTER_SIZES
        for single in (False, True)
        for main in (False, True)
    }
    best = _best(photos, {key: flagged for key, (flagged, _) in ways.items()})
    size, single, main = best
    flagging = FLAGS_OTHERS if main else FLAGS_NOISE
    chosen = f"min_cluster_size {size}{', allow_single_cluster' if single else ''}, {flagging}"
    yield Found("HDBSCAN, best parameters", *ways[best], chosen)


def local_outlier_factor(photos: LabelledPhotos) -> Iterator[Found]:
    """Flags what it calls an outlier, then by the best threshold on its factor."""
    yield Found("LocalOutlierFactor, defaults", *by_class(photos, _lof(20)))
    scores = {k: by_class(photos, _lof(k))[1] for k in NEIGHBOURS}
    yield _at_best("LocalOutlierFactor", "n_neighbors", photos, scores)


def isolation_forest(photos: LabelledPhotos) -> Iterator[Found]:
    """Flags what it calls an outlier, then by the best threshold on its score."""
    yield Found("IsolationForest, defaults", *by_class(photos, _forest(100)))
    scores = {trees: by_class(photos, _forest(trees))[1] for trees in TREES}
    yield _at_best("IsolationForest", "n_estimators", photos, scores)


def _at_best(name: str, parameter: str, photos: LabelledPhotos, scores: Mapping[int, Scores]) -> Found:
    flags = {value: best_threshold(score, photos.is_junk) for value, score in scores.items()}
    best = _best(photos, flags)
    return Found(f"{name}, best threshold", flags[best], scores[best], f"{parameter} {best}")


def _best(photos: LabelledPhotos, flags: Mapping[Any, Flags]) -> Any:
    """Return the parameters of the highest F1; where nothing is to be found, of the fewest flags."""
    if not photos.is_junk.any():
        return min(flags, key=lambda key: flags[key].sum())
    return max(flags, key=lambda key: f1(flags[key], photos.is_junk))


def _hdbscan(size: int, *, single: bool, main: bool) -> Callable[[NDArray[np.float32]], Any]:
    def way(features: NDArray[np.float32]) -> tuple[Flags, Scores]:
        model = HDBSCAN(min_cluster_size=size, allow_single_cluster=single, copy=True).fit(features)
        flagged = model.labels_ != _main(model.labels_) if main else model.labels_ < 0
        return flagged, 1 - model.probabilities_

    return way


def _lof(neighbours: int) -> Callable[[NDArray[np.float32]], Any]:
    def way(features: NDArray[np.float32]) -> tuple[Flags, Scores]:
        model = LocalOutlierFactor(n_neighbors=min(neighbours, len(features) - 1))
        return model.fit_predict(features) < 0, -model.negative_outlier_factor_

    return way


def _forest(trees: int) -> Callable[[NDArray[np.float32]], Any]:
    def way(features: NDArray[np.float32]) -> tuple[Flags, Scores]:
        model = IsolationForest(n_estimators=trees, random_state=0).fit(features)
        return model.predict(features) < 0, -model.score_samples(features)

    return way


def _main(labels: NDArray[np.int64]) -> int:
    """Return the label of the largest cluster; -2 where there is none, so that all is flagged."""
    clustered = labels[labels >= 0]
    return int(np.bincount(clustered).argmax()) if len(clustered) else -2
