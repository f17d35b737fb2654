"""Which photos an epoch shows, and how much each class weighs, where some species have few photos.

    order = epoch_order(labels, classes=20, settings, seed=1, epoch=0)      # (N,) indices, some twice, some not
    weights = class_weights(labels, classes=20, settings)                   # (20,) mean 1 over the photos
    prior = class_prior(labels, classes=20, settings)                       # (20,) what the network sees of each class

A loss that corrects for class sizes (balanced softmax, logit adjustment) has to take `class_prior`: after sampling,
the sizes of the data set are not what the network saw.

References
----------
Mahajan et al. 2018, Exploring the Limits of Weakly Supervised Pretraining (sampling by the root of the class size).
Cui et al. 2019, Class-Balanced Loss Based on Effective Number of Samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.settings.balance import BalanceSettings

_ORDER = 1  # what separates these draws from the augmentation's, which share seed and epoch


def class_prior(labels: NDArray[np.int64], classes: int, settings: BalanceSettings) -> NDArray[np.float64]:
    """Return the share of each class in the photos an epoch shows: shape (classes,), sum 1."""
    counts = np.bincount(labels, minlength=classes).astype(float)
    if settings.balance == "sampling":
        counts = np.where(counts > 0, np.power(np.maximum(counts, 1), settings.balance_exponent), 0)
    return np.asarray(counts / counts.sum(), np.float64)


def class_weights(labels: NDArray[np.int64], classes: int, settings: BalanceSettings) -> NDArray[np.float32]:
    """Return what a photo of each class weighs in the loss: shape (classes,), all 1 unless `balance` is `weights`.

    The weight is the inverse of the effective number of samples, (1 - beta ** n) / (1 - beta), scaled so that the
    photos of the data set weigh 1 on average: the learning rate keeps its meaning.
    """
    counts = np.bincount(labels, minlength=classes).astype(float)
    if settings.balance != "weights":
        return np.ones(classes, np.float32)
    effective = 1 - np.power(settings.balance_beta, np.maximum(counts, 1))
    weights = 1 / effective
    return np.asarray(weights * counts.sum() / (weights * counts).sum(), np.float32)


def epoch_order(
    labels: NDArray[np.int64], classes: int, settings: BalanceSettings, seed: int, epoch: int
) -> NDArray[np.int64]:
    """Return the photos of an epoch in order, as indices into `labels`: as many as there are labels.

    The same seed and epoch give the same order in any process. With `sampling`, each class gets its share of
    `class_prior` (a whole number near it, right on average), and no photo is seen once more often than
    another of its class.
    """
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch, _ORDER])))
    if settings.balance != "sampling":
        return random.permutation(len(labels))
    shares = np.cumsum(class_prior(labels, classes, settings)) * len(labels)
    shares[-1] = len(labels)
    # One random offset for all roundings keeps the sum: class c gets the whole numbers between its bounds.
    ends = np.floor(shares + random.random()).astype(np.int64)
    ends[-1] = len(labels)
    wanted = np.diff(ends, prepend=0)
    parts = [_drawn(np.flatnonzero(labels == label), wanted[label], random) for label in range(classes)]
    return random.permutation(np.concatenate(parts))


def _drawn(photos: NDArray[np.int64], count: int, random: np.random.Generator) -> NDArray[np.int64]:
    if not len(photos):
        return photos
    whole, rest = divmod(int(count), len(photos))
    return np.concatenate([np.tile(photos, whole), random.permutation(photos)[:rest]])
