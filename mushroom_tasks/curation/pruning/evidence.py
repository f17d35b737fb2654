"""Evidence: weighs how far a photo departs from its class against how much it resembles junk seen in other classes.

The two feed each other, in rounds: what departs tells what junk looks like, and that tells which departures are junk.
Both are counted in the spread of typical photos and added with the weights of Fisher's discriminant between the photos
taken for junk and the others. Where likeness tells nothing, because junk of this data set has nothing in common or
there is none, its weight falls by itself.

A group that stands apart is junk only where a border can be drawn before it, and where it is about as far from its
class as photos of other species are: in a data set of few species the second population may be a species that differs
from the others, or a look of one.

    evidence = weigh(members, Support.measure(members, min_samples=4))
    evidence.mixture.probability(evidence.score)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.curation.pruning.likeness import Likeness
from mushroom_tasks.curation.pruning.members import Members
from mushroom_tasks.curation.pruning.mixture import BORDER, Mixture, fit, logistic, unimodal
from mushroom_tasks.curation.pruning.support import Levels, Support

_ROUNDS = 12  # by then the same photos stand apart as in the round before, or two or three go to and fro
_FIRST_QUANTILE = 0.4  # of the k-distances that is the typical level while junk is among them
_SHARE_ROUNDS = 10
_PRIOR = 10.0  # photos that what is not known of a few counts for
_LEAST_SHARE = 1e-3  # of junk in a class
_LEAST_DEPARTURE = 0.75  # of half of the junk: a group nearer than that to its class is a look of it
_SMALLEST = 1e-6


@dataclass(frozen=True)
class Evidence:
    """What is known of each photo, shapes (M,).

    Attributes
    ----------
    departure
        From its class: 0 as typical, 1 as far as unrelated.
    score
        Departure and likeness, weighed and added.
    weights
        Of departure and of likeness, adding up to 1.
    mixture
        The populations of typical photos and of junk, by score.
    levels
        Of each class.
    members
        The photos.
    """

    departure: NDArray[np.float64]
    score: NDArray[np.float64]
    weights: tuple[float, float]
    mixture: Mixture
    levels: Levels
    members: Members

    def probability(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of each photo to be junk by such scores (M,).

        Some species are photographed with much junk and some with none, so each has its own share of it, drawn to that
        of the whole data set, and found by expectation and maximisation again.
        """
        odds, of_class, overall = self.mixture.log_odds(score), self.members.of_class, self.mixture.share
        probability = logistic(odds)
        if overall <= 0:
            return probability
        share = np.full(len(self.members.names), overall)
        for _ in range(_SHARE_ROUNDS):
            probability = logistic(odds + (_logit(share) - _logit(np.array(overall)))[of_class])
            junk = np.bincount(of_class, probability, len(share)) + _PRIOR * overall
            share = np.clip(junk / (self.members.sizes + _PRIOR), _LEAST_SHARE, 0.5)
        return probability

    @property
    def eps(self) -> NDArray[np.float64]:
        """The k-distance, per class (K,), that one typical photo in a hundred exceeds."""
        is_typical = self.mixture.probability(self.score) <= BORDER
        return self.levels.eps(unimodal(self.departure[is_typical]).rare)


def weigh(members: Members, support: Support) -> Evidence:
    """Weigh the evidence for each photo of at least one class."""
    likeness, is_typical = Likeness(members), np.ones(len(members.rows), np.bool_)
    levels = support.levels(is_typical, _FIRST_QUANTILE)
    apart = np.clip(support.departure(levels), 0, 1)
    for turn in range(_ROUNDS):
        departure, before = support.departure(levels), is_typical
        score, weights = _score(departure, likeness.measure(apart, is_typical), is_typical, apart if turn else None)
        mixture = fit(score)
        is_typical = mixture.probability(score) <= BORDER
        if turn and (is_typical == before).all():
            break
        apart = (~is_typical).astype(np.float64) if mixture.share > 0 else mixture.tail(score)
        levels = support.levels(is_typical)
    apart_by = departure[~is_typical]
    if mixture.is_separated and len(apart_by) and np.median(apart_by) >= _LEAST_DEPARTURE:
        return Evidence(departure, score, weights, mixture.lengthened(score), levels, members)
    levels = support.levels(np.ones(len(members.rows), np.bool_))
    departure = support.departure(levels)
    return Evidence(departure, departure, (1.0, 0.0), unimodal(departure), levels, members)


def _score(
    departure: NDArray[np.float64],
    alike: NDArray[np.float64] | None,
    is_typical: NDArray[np.bool_],
    apart: NDArray[np.float64] | None,
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Return the sum of both kinds of evidence, and their weights; equal ones while nothing is taken for junk."""
    departure = _in_spreads(departure, is_typical)
    if alike is None:
        return departure, (1.0, 0.0)
    alike = _in_spreads(alike, is_typical)
    weights = (0.5, 0.5) if apart is None else _discriminant(departure, alike, apart)
    return weights[0] * departure + weights[1] * alike, weights


def _in_spreads(values: NDArray[np.float64], is_typical: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return values counted from the median of the typical, in units of their upper spread."""
    middle, high = np.quantile(values[is_typical], [0.5, 0.9])
    spreads: NDArray[np.float64] = (values - middle) / max(high - middle, _SMALLEST)
    return spreads


def _discriminant(
    departure: NDArray[np.float64], alike: NDArray[np.float64], apart: NDArray[np.float64]
) -> tuple[float, float]:
    """Return the weights of Fisher's linear discriminant, none below 0, drawn to equal ones where junk is rare."""
    junk = float(apart.sum())
    if junk < 1:
        return 0.5, 0.5
    values, typical = np.stack([departure, alike]), 1 - apart
    means = [values @ weight / weight.sum() for weight in (apart, typical)]
    scatter = sum(
        ((values - mean[:, None]) * weight) @ (values - mean[:, None]).T
        for weight, mean in zip((apart, typical), means, strict=True)
    )
    direction = np.linalg.solve(scatter / len(apart) + _SMALLEST * np.eye(2), means[0] - means[1])
    weights = np.maximum(direction, 0)
    if weights.sum() <= 0:
        return 0.5, 0.5
    own = junk / (junk + _PRIOR)
    first = own * float(weights[0] / weights.sum()) + (1 - own) * 0.5
    return first, 1 - first


def _logit(share: NDArray[np.float64]) -> NDArray[np.float64]:
    logit: NDArray[np.float64] = np.log(share / (1 - share))
    return logit
