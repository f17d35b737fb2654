"""How much a split by photo promises too much: the same photos, once split by observer and once at random.

    gap = compare_splits(features, labels, observers, seed=1)
    print(f"{gap.photo_top1:.1%} by photo, {gap.observer_top1:.1%} by observer")

People photograph one mushroom several times, in their own light and with their own camera. A photo whose neighbours of
the same minute were learned from is easy, and says nothing about the next person's photo. Logistic regression on frozen
features shows this in seconds: five-fold cross-validation of the very same photos, folds of equal sizes, that differ
only in whether an observer may be in two of them.

Needs scikit-learn.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.learning.evaluation.schema import SplitGap

_FOLDS = 5
_COMPONENTS = 256  # of the features; with a ridge the rest changes little, and costs five times as much
_REGULARIZATION = 0.1  # C


def compare_splits(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    observers: NDArray[np.int64],
    seed: int,
    most_photos: int = 5_000,
) -> SplitGap | None:
    """Return the top-1 of logistic regression on features (N, F) under both splits.

    Classes with photos by fewer than five observers take no part: they cannot be in every fold. None where fewer than
    two are left. Of more than `most_photos`, whole classes are drawn, so that observers stay together.
    """
    chosen = _photos(labels, observers, seed, most_photos)
    if len(np.unique(labels[chosen])) < 2:
        return None
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
    from threadpoolctl import threadpool_limits

    # Such small products spend their time waiting for the other core where it is busy: 67 s with two threads, not 14.
    with threadpool_limits(1):
        features, labels, observers = _components(features[chosen], seed), labels[chosen], observers[chosen]
        by_observer = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed).split(features, labels, observers)
        by_photo = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed).split(features, labels)
        observer_top1 = _accuracy(features, labels, list(by_observer))
        photo_top1 = _accuracy(features, labels, list(by_photo))
    return SplitGap(
        photos=len(labels),
        classes=len(np.unique(labels)),
        folds=_FOLDS,
        observer_top1=observer_top1,
        photo_top1=photo_top1,
        gap=photo_top1 - observer_top1,
    )


def _photos(labels: NDArray[np.int64], observers: NDArray[np.int64], seed: int, most_photos: int) -> NDArray[np.int64]:
    """Return the indices of the photos of as many classes, in an order drawn by the seed, as stay below the limit."""
    taken: list[NDArray[np.int64]] = []
    total = 0
    for label in np.random.default_rng(seed).permutation(np.unique(labels)):
        of_class = np.flatnonzero(labels == label)
        if len(np.unique(observers[of_class])) < _FOLDS:
            continue
        total += len(of_class)
        if total > most_photos and len(taken) >= 2:
            break
        taken.append(of_class)
    return np.sort(np.concatenate(taken)) if taken else np.empty(0, np.int64)


def _components(features: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Return the principal components of standardized features, without a look at the labels."""
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    standard = StandardScaler().fit_transform(features)
    count = min(_COMPONENTS, *standard.shape)
    return np.asarray(PCA(count, svd_solver="randomized", random_state=seed).fit_transform(standard), np.float32)


def _accuracy(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    folds: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> float:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    right = 0
    for training, judged in folds:
        classifier = LogisticRegression(C=_REGULARIZATION, max_iter=100, tol=1e-3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # near enough for a comparison
            classifier.fit(features[training], labels[training])
        right += int((classifier.predict(features[judged]) == labels[judged]).sum())
    return right / len(labels)
