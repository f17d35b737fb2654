"""Several photos of one observation, answered as one.

    method = choose(validation_probabilities, validation_labels, validation_observations)
    fused = fuse(probabilities, numbers, method)

The mean of log-probabilities (a product of experts) lets one photo that excludes a species exclude it for all; the mean
of probabilities forgives a photo that is wrong and sure. Which one is better depends on how well a model is calibrated,
so the validation split chooses.
"""

from __future__ import annotations

from typing import get_args

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.learning.evaluation.calibration import log_probabilities
from mushroom_tasks.learning.evaluation.metrics import confusion_of, macro_f1
from mushroom_tasks.learning.evaluation.schema import Fusing, Fusion

_METHODS: tuple[Fusing, ...] = get_args(Fusing)


def fuse(probabilities: NDArray[np.floating], numbers: NDArray[np.int64], method: Fusing) -> NDArray[np.float64]:
    """Return probabilities (G, C) of groups of photos; `numbers` (N,) say 0..G-1 which group a photo is of."""
    logarithmic = method == "mean of log-probabilities"
    values = log_probabilities(probabilities) if logarithmic else probabilities.astype(np.float64)
    count = np.bincount(numbers)
    total = np.zeros((len(count), values.shape[1]))
    np.add.at(total, numbers, values)
    mean = total / count[:, None]
    if not logarithmic:
        return mean
    likelihood = np.exp(mean - mean.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = likelihood / likelihood.sum(axis=1, keepdims=True)
    return result


def choose(probabilities: NDArray[np.floating], labels: NDArray[np.int64], observations: NDArray[np.str_]) -> Fusing:
    """Return the method with the higher likelihood on the observations with several photos; the first without any."""
    groups = _Groups(observations, labels)
    several = groups.sizes > 1
    if not several.any():
        return _METHODS[0]

    def loss(method: Fusing) -> float:
        fused = log_probabilities(fuse(probabilities, groups.numbers, method))
        of_label = fused[np.arange(len(groups.labels)), groups.labels]
        return float(-of_label[several].mean())

    return min(_METHODS, key=loss)


def fusion(
    probabilities: NDArray[np.floating], labels: NDArray[np.int64], observations: NDArray[np.str_], method: Fusing
) -> Fusion | None:
    """Return what fusing gains on probabilities (N, C) of photos of these observations (N,).

    None where no observation has several photos.
    """
    groups = _Groups(observations, labels)
    several = groups.sizes > 1
    if not several.any():
        return None
    answers = fuse(probabilities, groups.numbers, method).argmax(axis=1)
    right = answers == groups.labels
    alone = np.bincount(groups.numbers, weights=probabilities.argmax(axis=1) == labels) / groups.sizes
    single, fused = float(alone[several].mean()), float(right[several].mean())
    return Fusion(
        method=method,
        observations=int(several.sum()),
        photos=int(groups.sizes[several].sum()),
        single_top1=single,
        fused_top1=fused,
        gain=fused - single,
        all_observations=len(right),
        all_top1=float(right.mean()),
        all_macro_f1=macro_f1(confusion_of(answers, groups.labels, probabilities.shape[1])),
    )


class _Groups:
    """Photos by observation and label: an observation whose photos were relabelled is two."""

    def __init__(self, observations: NDArray[np.str_], labels: NDArray[np.int64]) -> None:
        _, of_observation = np.unique(observations, return_inverse=True)
        keys = np.stack([of_observation, labels], axis=1)
        unique, self.numbers, self.sizes = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        self.labels: NDArray[np.int64] = unique[:, 1]
