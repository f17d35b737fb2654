"""Probabilities that can be taken at their word: how far they can, and the one number that mends them.

    t = fit_temperature(validation_probabilities, validation_labels)
    shown = tempered(probabilities, t)                  # what an app should show
    reliability(shown, labels).ece

The classifier ends in a softmax, and log-probabilities are its logits less a constant per photo, which a softmax does
not feel: so temperature scaling needs probabilities alone, and works on a phone on what the exported model answers.
Label smoothing and mixing make a model doubt too much (temperature below 1), long training makes it too sure.

References
----------
Guo et al. (2017), "On calibration of modern neural networks": temperature scaling, ECE over 15 bins.
Nixon et al. (2019), "Measuring calibration in deep learning": adaptive ECE, bins of equally many photos.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.learning.evaluation.schema import Bin, Calibration, Reliability

BINS = 15
_LEAST_PROBABILITY = 1e-12
_SHARPEST, _SOFTEST = 0.05, 20.0  # temperatures; beyond, all photos are right, or none is
_NEWTON_STEPS = 60
_TOLERANCE = 1e-9


def log_probabilities(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return logarithms (N, C), finite also where a probability was rounded to nothing."""
    return np.log(np.maximum(probabilities.astype(np.float64), _LEAST_PROBABILITY))


def tempered(probabilities: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Return softmax(log(p) / temperature), shape (N, C)."""
    scaled = log_probabilities(probabilities) / temperature
    likelihood = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = likelihood / likelihood.sum(axis=1, keepdims=True)
    return result


def fit_temperature(probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """Return the temperature, 0.05 to 20, at which the likelihood of labels (N,) is highest.

    The negative log-likelihood is convex in 1 / temperature; Newton's steps that leave the bracket are halved into it.
    """
    logits = log_probabilities(probabilities)
    low, high = 1 / _SOFTEST, 1 / _SHARPEST
    inverse = 1.0
    for _ in range(_NEWTON_STEPS):
        slope, curvature = _derivatives(logits, labels, inverse)
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        step = inverse - slope / curvature if curvature > 0 else low
        following = step if low < step < high else (low + high) / 2
        if abs(following - inverse) < _TOLERANCE:
            break
        inverse = following
    return float(1 / inverse)


def _derivatives(logits: NDArray[np.float64], labels: NDArray[np.int64], inverse: float) -> tuple[float, float]:
    """Return slope and curvature of the mean negative log-likelihood in the inverse temperature."""
    scaled = inverse * logits
    share = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    mean = np.einsum("ij,ij->i", share, logits)
    variance = np.einsum("ij,ij->i", share, (logits - mean[:, None]) ** 2)
    return float(np.mean(mean - logits[np.arange(len(labels)), labels])), float(variance.mean())


def reliability(probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> Reliability:
    """Return how well probabilities (N, C) meet labels (N,)."""
    confidence, right = probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1) == labels
    of_label = log_probabilities(probabilities)[np.arange(len(labels)), labels]
    squared = np.square(probabilities, dtype=np.float64).sum(axis=1)
    # A confidence on a border belongs to the bin below it, as in the definition; 0 never occurs.
    numbers = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    parts = [np.flatnonzero(numbers == number) for number in range(BINS)]
    bins = tuple(_bin(number, confidence[part], right[part]) for number, part in enumerate(parts))
    even = np.array_split(np.argsort(confidence, kind="stable"), BINS)
    return Reliability(
        ece=_error(parts, confidence, right),
        adaptive_ece=_error(even, confidence, right),
        nll=float(-of_label.mean()),
        brier=float(np.mean(squared - 2 * np.exp(of_label) + 1)),
        bins=bins,
    )


def _bin(number: int, confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> Bin:
    return Bin(
        lower=number / BINS,
        upper=(number + 1) / BINS,
        photos=len(right),
        confidence=float(confidence.mean()) if len(right) else None,
        accuracy=float(right.mean()) if len(right) else None,
    )


def _error(parts: list[NDArray[np.int64]], confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    gaps = [abs(float(confidence[part].sum() - right[part].sum())) for part in parts]
    return sum(gaps) / len(right)


def calibrated(
    validation: tuple[NDArray[np.floating], NDArray[np.int64]], test: tuple[NDArray[np.floating], NDArray[np.int64]]
) -> Calibration:
    """Fit the temperature on (probabilities, labels) of the validation split, and judge it on those of the test split.

    Without a validation photo the temperature is 1.
    """
    temperature = fit_temperature(*validation) if len(validation[1]) else 1.0
    probabilities, labels = test
    return Calibration(
        temperature=temperature,
        photos=len(validation[1]),
        before=reliability(probabilities, labels),
        after=reliability(tempered(probabilities, temperature), labels),
    )
