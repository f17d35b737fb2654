"""Support: how far each photo departs from its class, on a scale that all classes share.

A photo's k-distance is DBSCAN's with people instead of photos: it reaches to the (min_samples - 1)th nearest other
person in its class. What is far in a uniform species is near in a varied one, so it is placed
between two levels of the class:

- `typical`: the median k-distance of its typical photos, drawn towards that of the whole data set, the more the
  fewer photos the class has;
- `unrelated`: what a photo without any relation has to reach, told from photos of other species (nine in ten of them
  are nearer).

A departure of 0 is as typical, of 1 as far as unrelated. Junk lies around 1 and beyond, in every class.

    support = Support.measure(members, min_samples=4)
    levels = support.levels(is_typical)
    support.departure(levels)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.curation.pruning.members import Members
from mushroom_tasks.curation.pruning.neighbours import distances, k_distances, persons

_SHRINKING = 25  # photos a class needs for its own level to weigh as much as the data set's
_PANEL = 500  # photos of the whole data set that stand for "other species"
_FOREIGN = 0.9  # quantile of their k-distances that is the level of the unrelated
_LEAST_FOREIGN = 20  # photos that a level of the unrelated needs
_TWIN = 1 / 6  # of the usual distance between two photos: two of one specimen differ by a quarter and more
LEAST_GAP = 0.5  # of the usual gap between the levels: a class that is hard to tell apart gets no narrower scale
_SMALLEST = 1e-3  # below it float32 cannot tell unit vectors apart


@dataclass(frozen=True)
class Levels:
    """K-distances per class, each of shape (K,): of a typical photo and of an unrelated one, which is farther."""

    typical: NDArray[np.float64]
    unrelated: NDArray[np.float64]

    def eps(self, departure: float) -> NDArray[np.float64]:
        """Return the k-distance, per class, that is this departure."""
        return self.typical + departure * (self.unrelated - self.typical)


@dataclass(frozen=True)
class Support:
    """K-distances of photos.

    Attributes
    ----------
    members
        Whose.
    own : float32 (M,)
        Of each photo, in its class.
    panel : (P,)
        Photos, by position, that stand for the whole data set.
    foreign : float32 (K, P)
        Of each photo of the panel, in each class.
    """

    members: Members
    own: NDArray[np.float32]
    panel: NDArray[np.intp]
    foreign: NDArray[np.float32]

    @classmethod
    def measure(cls, members: Members, min_samples: int) -> Support:
        """Measure all classes. Costs n^2 F operations and 8 n^2 bytes for a class of n photos, one after the other."""
        panel = members.by_content[:_PANEL]
        panel_features = members.features(panel)
        twin = _TWIN * float(np.median(distances(panel_features, panel_features))) if len(panel) else 0.0
        strangers = np.full(len(panel), -1, np.int64)
        own = np.empty(len(members.rows), np.float32)
        foreign = np.empty((len(members.names), len(panel)), np.float32)
        for index, part in members.each():
            features, people = members.features(part), persons(members.people(part), 2 * min_samples)
            for k_distance, here, photos in (
                (own[part], people, features),
                (foreign[index], strangers, panel_features),
            ):
                near = distances(photos, features)
                k_distance[:] = k_distances(near, here, people, others=min_samples - 1, twin=twin)
        return cls(members, own, panel, foreign)

    def levels(self, is_typical: NDArray[np.bool_], quantile: float = 0.5) -> Levels:
        """Return the levels of each class, by the photos (M,) that are taken for typical.

        `quantile` of a class's k-distances is its typical level: lower than the median where junk is still among
        them.
        """
        classes = range(len(self.members.names))
        each = [self.members.quantile(self.own, part, is_typical, quantile) for _, part in self.members.each()]
        typical = shrunk(self.members, each)
        gap = np.array([self._unrelated(index, is_typical) for index in classes]) - typical
        usual = float(np.median(gap[np.isfinite(gap)])) if np.isfinite(gap).any() else 1.0
        gap = np.maximum(np.where(np.isfinite(gap), gap, usual), max(LEAST_GAP * usual, _SMALLEST))
        return Levels(typical, typical + gap)

    def departure(self, levels: Levels) -> NDArray[np.float64]:
        """Return how far each photo departs from its class, shape (M,): 0 as typical, 1 as far as unrelated."""
        typical = levels.typical[self.members.of_class]
        departure: NDArray[np.float64] = (self.own - typical) / (levels.unrelated[self.members.of_class] - typical)
        return departure

    def _unrelated(self, index: int, is_typical: NDArray[np.bool_]) -> float:
        others = (self.members.of_class[self.panel] != index) & is_typical[self.panel]
        return float(np.quantile(self.foreign[index, others], _FOREIGN)) if others.sum() >= _LEAST_FOREIGN else np.nan


def shrunk(members: Members, levels: list[float]) -> NDArray[np.float64]:
    """Return a level per class (K,), drawn towards the usual one, the more the fewer photos the class has."""
    weight = members.sizes / (members.sizes + _SHRINKING)
    result: NDArray[np.float64] = weight * np.array(levels) + (1 - weight) * np.median(levels)
    return result
