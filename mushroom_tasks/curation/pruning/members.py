"""The photos of the classes that are large enough to be pruned, class after class.

Their order depends on their content alone, so that what is computed from them does not depend on the order of the
input, down to the last bit. Features are scaled to unit length class by class: a second copy of all of them would
double the memory.

    members = Members.of(classes, embeddings, observers, least=10)
    members.features(0)        # of the first class, unit length, (n, F)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.curation.features import unit

_LEAST_WANTED = 3  # photos that a quantile of a class needs


@dataclass(frozen=True)
class Members:
    """M photos of K classes.

    Attributes
    ----------
    names
        The classes, in order.
    rows : (M,)
        Row of each photo in `embeddings` and `observers`, class after class.
    of_class : (M,)
        Index of each photo's class in `names`.
    by_content : (M,)
        Positions of the photos, shuffled by a hash of their content.
    lengths : (M,)
        Of the features as they came.
    embeddings, observers : (N, F), (N,)
        As they came, of all classes.
    """

    names: tuple[str, ...]
    rows: NDArray[np.intp]
    of_class: NDArray[np.intp]
    by_content: NDArray[np.intp]
    lengths: NDArray[np.float64]
    embeddings: NDArray[Any]
    observers: NDArray[np.int64]

    @classmethod
    def of(cls, classes: NDArray[Any], embeddings: NDArray[Any], observers: NDArray[np.int64], least: int) -> Members:
        """Return the photos of the classes with at least so many of them."""
        lengths = np.sqrt(np.einsum("ij,ij->i", embeddings, embeddings, dtype=np.float64))
        by_content = _by_content(embeddings, observers)
        names, index, counts = np.unique(classes[by_content], return_inverse=True, return_counts=True)
        is_large = counts >= least
        renumbered = np.cumsum(is_large) - 1
        wanted = np.flatnonzero(is_large[index])
        order = wanted[np.argsort(index[wanted], kind="stable")]
        rows = by_content[order]
        return cls(
            names=tuple(str(name) for name in names[is_large]),
            rows=rows,
            of_class=renumbered[index[order]],
            by_content=np.argsort(order, kind="stable"),
            lengths=lengths[rows],
            embeddings=embeddings,
            observers=observers,
        )

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Photos per class, shape (K,)."""
        return np.bincount(self.of_class, minlength=len(self.names))

    def each(self) -> Iterator[tuple[int, slice]]:
        """Go through the classes: index, and where its photos are among the M."""
        ends = np.cumsum(self.sizes)
        for index, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
            yield index, slice(int(start), int(end))

    def features(self, part: slice | NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the features of some of the photos, scaled to unit length."""
        return unit(self.embeddings[self.rows[part]])

    def along(self, part: slice, line: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far the features of some of the photos, at unit length, reach along a direction (F,)."""
        projection: NDArray[np.float64] = self.embeddings[self.rows[part]] @ line.astype(np.float32)
        return projection / self.lengths[part]

    def quantile(self, values: NDArray[Any], part: slice, is_wanted: NDArray[np.bool_], quantile: float = 0.5) -> float:
        """Return a quantile of values (M,) over the photos of a class that are wanted; over all of it where few are."""
        wanted = values[part][is_wanted[part]]
        return float(np.quantile(wanted if len(wanted) >= _LEAST_WANTED else values[part], quantile))

    def people(self, part: slice | NDArray[np.intp]) -> NDArray[np.int64]:
        """Return who took some of the photos."""
        return self.observers[self.rows[part]]


def _by_content(embeddings: NDArray[Any], observers: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the rows in the order of a hash of their content; rows of equal content may stand for each other."""
    content = [
        hashlib.blake2b(features.tobytes() + int(observer).to_bytes(8, "big", signed=True), digest_size=16).digest()
        for features, observer in zip(embeddings, observers, strict=True)
    ]
    return np.array(sorted(range(len(content)), key=content.__getitem__), np.intp)
