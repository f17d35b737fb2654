"""Likeness: how much a photo resembles what stands out in other classes, rather than what is typical there.

Hands, labels and scenery turn up in every species. The photos of all other classes that stand apart have a mean
direction in feature space, and so have the typical ones; where a photo lies along the line from the second to the
first tells how alike it is to junk. A class never judges itself: what its own photos look like has no part in its
line, and the level of its own typical photos is where its likeness starts. So a look that only this species has is not
held against it.

    Likeness(members).measure(stands_apart, is_typical)        # (M,): 0 as typical, 1 as junk
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.curation.pruning.members import Members
from mushroom_tasks.curation.pruning.support import LEAST_GAP, shrunk

_LEAST = 1e-9  # weight of photos below which there is nothing to resemble


class Likeness:
    """Measures likeness again and again, for the same photos and other ideas of which of them stand apart."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._all = self._sums(np.ones(len(members.rows)))

    def measure(self, stands_apart: NDArray[np.float64], is_typical: NDArray[np.bool_]) -> NDArray[np.float64] | None:
        """Return the likeness of each photo, shape (M,), or None where there is nothing to compare with.

        Parameters
        ----------
        stands_apart
            How much each photo stands apart from its class, 0 to 1, shape (M,); its likeness is 1 on average.
        is_typical
            Photos whose median is the level of their class, likeness 0, shape (M,).
        """
        members, apart = self._members, self._sums(stands_apart)
        along = np.empty(len(members.rows))
        for index, part in members.each():
            line = _mean_of_others(apart, index) - _mean_of_others(self._all - apart, index)
            length = np.linalg.norm(line)
            if not np.isfinite(length) or length < _LEAST:
                return None
            along[part] = members.along(part, line / length)
        typical = shrunk(members, [members.quantile(along, part, is_typical) for _, part in members.each()])
        gap = float(stands_apart @ along / stands_apart.sum()) - typical
        usual = float(np.median(gap))
        if usual <= 0:
            return None
        gap = np.maximum(gap, LEAST_GAP * usual)
        likeness: NDArray[np.float64] = (along - typical[members.of_class]) / gap[members.of_class]
        return likeness

    def _sums(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weighted sum of the features of each class, and the weight itself as one more column, (K, F+1)."""
        columns = self._members.embeddings.shape[1]
        sums = np.zeros((len(self._members.names), columns + 1))
        for index, part in self._members.each():
            counted = part.start + np.flatnonzero(weight[part])
            sums[index, :columns] = weight[counted].astype(np.float32) @ self._members.features(counted)
            sums[index, columns] = weight[counted].sum()
        return sums


def _mean_of_others(sums: NDArray[np.float64], index: int) -> NDArray[np.float64]:
    total = sums.sum(axis=0) - sums[index]
    mean: NDArray[np.float64] = total[:-1] / total[-1] if total[-1] > _LEAST else np.full(len(total) - 1, np.nan)
    return mean
