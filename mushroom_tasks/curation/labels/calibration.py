"""Turn logits into probabilities that can be taken at their word: as sure as they are right on labels held out.

    t = temperature(logits, labels)
    p = probabilities(logits / t)

What is held against the labels is the Brier score, the squared distance between probabilities and label. Unlike the
likelihood it is bounded, so that the few wrong labels, which are what is looked for, cannot make all photos doubtful.

Logits have shape (N, classes), minus infinity for a class that cannot be.

References
----------
Guo et al. (2017), "On calibration of modern neural networks": temperature scaling.
Brier (1950), "Verification of forecasts expressed in terms of probability".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_OCTAVES = 8  # either way of the logits' own spread
_FINER = (0.5, 0.25, 0.125)  # octaves
_LEAST_SPREAD = 1e-6


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probability of each class, shape (N, classes)."""
    likelihood = np.exp(logits - logits.max(axis=1, keepdims=True))
    share: NDArray[np.float32] = likelihood / likelihood.sum(axis=1, keepdims=True)
    return share


def brier(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the mean Brier score of labels (N,): 0 for sure and right, 2 for sure and wrong."""
    share = probabilities(logits)
    of_label = share[np.arange(len(labels)), labels]
    return float(np.mean(np.einsum("ij,ij->i", share, share) - 2 * of_label + 1, dtype=np.float64))


def temperature(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return by what to divide logits so that their Brier score is least; found to an eighth of an octave."""
    spread = max(float(logits[np.isfinite(logits)].std()), _LEAST_SPREAD)

    def score(octave: float) -> float:
        return brier(logits / np.float32(spread * 2**octave), labels)

    scores = {float(octave): score(octave) for octave in range(-_OCTAVES, _OCTAVES + 1)}
    best = min(scores, key=scores.__getitem__)
    for finer in _FINER:
        scores |= {octave: score(octave) for octave in (best - finer, best + finer)}
        best = min(scores, key=scores.__getitem__)
    return spread * float(2**best)
