"""None of these: telling photos that show none of the species from those that do, by what the phone has as well.

    score = choose(validation_probabilities, validation_refusable)
    threshold = fit_threshold(score_of(score, validation_probabilities), accepted=0.95)
    is_known = score_of(score, probabilities) >= threshold

All scores need calibrated probabilities alone, higher is surer. An exported model answers with probabilities, not with
features: distances to class centres are not to be had on a phone. A softmax takes the logits' common constant away, so
maximum logit and energy (Liu et al. 2020, "Energy-based out-of-distribution detection") cannot be had either, but the
energy of centred logits can: it is minus the mean log-probability.

What pruning flags is flagged by rule, so among it are photos of the species that look unusual: AUROC and refusal there
are lower bounds.
"""

from __future__ import annotations

from typing import get_args

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.learning.evaluation.calibration import log_probabilities
from mushroom_tasks.learning.evaluation.schema import Refused, Score

SCORES: tuple[Score, ...] = get_args(Score)
_LEAST_REFUSABLE = 5  # photos; fewer cannot choose between scores


def score_of(score: Score, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return how sure (N,) probabilities (N, C) are that one of the classes is there."""
    if score == "max probability":
        return np.asarray(probabilities.max(axis=1), dtype=np.float64)
    if score == "margin":
        two = np.partition(probabilities, -2, axis=1)[:, -2:].astype(np.float64)
        return np.asarray(two[:, 1] - two[:, 0])
    logarithms = log_probabilities(probabilities)
    if score == "negative entropy":
        return np.asarray(np.einsum("ij,ij->i", np.exp(logarithms), logarithms))
    return np.asarray(-logarithms.mean(axis=1))


def auroc(known: NDArray[np.float64], refusable: NDArray[np.float64]) -> float:
    """Return how often a known photo scores above one to be refused; ties count half."""
    ordered = np.sort(refusable)
    below = np.searchsorted(ordered, known, side="left")
    equal = np.searchsorted(ordered, known, side="right") - below
    return float((below + equal / 2).mean() / len(refusable))


def aurocs(known: NDArray[np.floating], refusable: NDArray[np.floating]) -> dict[Score, float] | None:
    """Return the AUROC of every score on probabilities of known photos and of those to refuse; None for too few."""
    if len(known) == 0 or len(refusable) < _LEAST_REFUSABLE:
        return None
    return {score: auroc(score_of(score, known), score_of(score, refusable)) for score in SCORES}


def fit_threshold(scores: NDArray[np.float64], accepted: float) -> float:
    """Return the highest threshold that at least the share `accepted` of the scores (N,) reaches; 0 of no scores."""
    if len(scores) == 0:
        return 0.0
    allowed = int(np.floor((1 - accepted) * len(scores) + 1e-9))  # photos that may fall below
    return float(np.sort(scores)[min(allowed, len(scores) - 1)])


def refused(
    score: Score, threshold: float, known: NDArray[np.floating], refusable: NDArray[np.floating]
) -> Refused | None:
    """Return how well photos to refuse are told from known ones; None where there are none."""
    if len(known) == 0 or len(refusable) == 0:
        return None
    scores = score_of(score, refusable)
    return Refused(
        photos=len(refusable),
        auroc=auroc(score_of(score, known), scores),
        refused=float((scores < threshold).mean()),
    )
