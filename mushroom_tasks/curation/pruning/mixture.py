"""Mixture: tells two populations apart by one score, and finds the border between them without a threshold.

Most photos are typical: their scores have one hump, with a longer tail to the right. Junk, where there is enough of
it, makes a second hump further right. The model is a normal distribution whose two halves have their own widths,
fitted to quantiles so that its tail does not follow the junk, and a normal one for junk; expectation and maximisation
in turns (Dempster et al. 1977). Which photos are taken for junk at the start decides where that ends, so it starts
from several shares and takes the end whose humps lie furthest apart: what merely cuts off the tail of the typical ones
lies close to them, and may well be the likelier model of a tail that is not quite normal.

Humps that overlap too much are no two populations. Then only single photos stand out: those beyond what one typical
photo in a thousand reaches.

    mixture = fit(scores)
    mixture = mixture if mixture.is_separated else unimodal(scores)
    mixture.probability(scores) > BORDER
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

BORDER = 0.5  # probability beyond which a photo is rather junk

_STARTS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99)  # share that is taken for typical at first
_ROUNDS = 15  # by then nothing moves
_TENTH = 1.2816  # standard deviations beyond which a normal distribution has a tenth,
_TWENTIETH = 1.6449  # a twentieth,
_HUNDREDTH = 2.3263  # a hundredth,
_THOUSANDTH = 3.0902  # and a thousandth
_TAIL = 4  # power that leaves the far tail
_SHARPNESS = 4.0  # of the score's rise around the border where there is one hump
_PRIOR = 10.0  # photos that the typical tail's width counts for in the width of the junk
_AT_MOST = 20_000  # scores that are fitted; more of them, evenly chosen, tell nothing new
_LARGEST = 30.0  # log odds
_LEAST_SEPARATION = 1.751  # a normal distribution has 4 in 100 beyond so many standard deviations


@dataclass(frozen=True)
class Mixture:
    """Two populations of scores.

    Attributes
    ----------
    middle, left, right
        Median of the typical, and the width of either half, as standard deviations.
    junk, spread, share
        Mean and standard deviation of the junk, and its share of all; share 0 where there is one hump.
    """

    middle: float
    left: float
    right: float
    junk: float = 0.0
    spread: float = 0.0
    share: float = 0.0

    def probability(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability that a photo with such a score is junk; it never falls as the score rises."""
        return logistic(self.log_odds(scores))

    @property
    def rare(self) -> float:
        """The score that one typical photo in a hundred exceeds."""
        return self.middle + _HUNDREDTH * self.right

    @property
    def separation(self) -> float:
        """How far the humps lie apart, in the sum of their widths; 0 where there is one."""
        return (self.junk - self.middle) / (self.right + self.spread) if self.share > 0 else 0.0

    @property
    def is_separated(self) -> bool:
        """Tell whether a border between the humps can have at most 4 in 100 of either on the wrong side."""
        return self.separation >= _LEAST_SEPARATION

    def lengthened(self, scores: NDArray[np.float64]) -> Mixture:
        """Return it with the tail of the typical as long as that of those it came from, where that is longer.

        Real tails fall off more slowly than a normal one: one in twenty lies further out than one in ten tells.
        """
        ordered = np.sort(scores)
        cumulated = np.cumsum(1 - self.probability(ordered))
        high = float(np.interp(0.95 * cumulated[-1], cumulated, ordered))
        return replace(self, right=max(self.right, (high - self.middle) / _TWENTIETH))

    def tail(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far up the tail of the typical each score lies, 0 to 1, 0.1 where a thirtieth lie beyond."""
        far = (scores - self.middle) / (_THOUSANDTH * self.right)
        return np.clip(far, 0, 1) ** _TAIL

    def log_odds(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logarithm of the odds that a photo with such a score is junk."""
        if self.share <= 0:
            odds = _SHARPNESS * ((scores - self.middle) / self.right - _THOUSANDTH)
        else:
            # Beyond its mean junk is no less likely, and below the median of the typical there is none.
            odds = self._log_junk(np.minimum(scores, self.junk)) - self._log_typical(scores)
            odds[scores < self.middle] = -_LARGEST
        return np.clip(odds, -_LARGEST, _LARGEST)

    def _log_typical(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        width = np.where(scores < self.middle, self.left, self.right)
        log: NDArray[np.float64] = (
            np.log((1 - self.share) * 2 / (self.left + self.right)) - ((scores - self.middle) / width) ** 2 / 2
        )
        return log

    def _log_junk(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        log: NDArray[np.float64] = np.log(self.share / self.spread) - ((scores - self.junk) / self.spread) ** 2 / 2
        return log


def logistic(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities that log odds stand for."""
    probability: NDArray[np.float64] = 1 / (1 + np.exp(-odds))
    return probability


def fit(scores: NDArray[Any]) -> Mixture:
    """Return the mixture of the scores (N,), at least one, whose humps lie furthest apart."""
    ordered = np.sort(np.asarray(scores, np.float64))
    if len(ordered) > _AT_MOST:
        ordered = ordered[np.linspace(0, len(ordered) - 1, _AT_MOST).astype(np.intp)]
    ends = [_maximise(ordered, start) for start in _STARTS]
    return max(ends, key=lambda mixture: mixture.separation)


def unimodal(scores: NDArray[np.float64]) -> Mixture:
    """Return the population of typical photos whose scores (N,), at least one, these are."""
    return _typical(np.sort(scores), np.ones(len(scores)))


def _maximise(ordered: NDArray[np.float64], start: float) -> Mixture:
    probability = (ordered > np.quantile(ordered, start)).astype(np.float64)
    mixture = _typical(ordered, 1 - probability)
    for _ in range(_ROUNDS):
        weight = float(probability.sum())
        mixture = _typical(ordered, 1 - probability)
        if weight < 1:
            break
        mean = float(probability @ ordered) / weight
        square = float(probability @ (ordered - mean) ** 2) + _PRIOR * mixture.right**2
        spread = float(np.sqrt(square / (weight + _PRIOR)))
        share = min(weight / len(ordered), 0.5)
        mixture = Mixture(mixture.middle, mixture.left, mixture.right, mean, spread, share)
        probability = mixture.probability(ordered)
    return mixture


def _typical(ordered: NDArray[np.float64], weight: NDArray[np.float64]) -> Mixture:
    """Return one hump with the quantiles of the weighted scores."""
    cumulated = np.cumsum(weight)
    low, middle, high = np.interp(np.array([0.1, 0.5, 0.9]) * cumulated[-1], cumulated, ordered)
    smallest = max(1e-6, 1e-6 * abs(float(middle)))  # equal scores have no width
    left, right = max(middle - low, smallest) / _TENTH, max(high - middle, smallest) / _TENTH
    return Mixture(float(middle), float(left), float(right))
