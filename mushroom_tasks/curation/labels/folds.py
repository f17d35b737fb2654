"""Photos in folds, as the judges of labels see them: features that suit distances, and who may judge whom.

Each observer belongs to one fold. What is learnt of the species for the photos of one fold comes from the other folds
alone, so nobody's photos speak for their own labels.

    photos = FoldedPhotos(embeddings, species, observers, fitted, folds=8)
    for rows in photos.blocks(photos.of_fold(3)):
        photos.features(rows)
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.curation.features import unit

_BLOCK = 4096  # photos whose features are held at once: 20 MB of 1,280


def roots(embeddings: NDArray[Any]) -> NDArray[np.float32]:
    """Return the signed square roots of features (N, F), scaled to unit length.

    The root keeps a few large activations from drowning the others (Perronnin et al. 2010, "power normalisation").
    """
    values = embeddings.astype(np.float32)
    return unit(np.copysign(np.sqrt(np.abs(values)), values))


def assign_folds(observers: NDArray[np.int64], folds: int) -> NDArray[np.int64]:
    """Return the fold of each photo, all photos of an observer in the same: the largest first, each to the emptiest.

    There are as many folds as observers where those are fewer. Shapes (N,) and (N,).
    """
    names, index, counts = np.unique(observers, return_inverse=True, return_counts=True)
    emptiest = [(0, fold) for fold in range(min(folds, len(names)))]
    fold_of = np.zeros(len(names), np.int64)
    for observer in np.lexsort((names, -counts)):
        photos, fold = emptiest[0]
        fold_of[observer] = fold
        heapq.heapreplace(emptiest, (photos + int(counts[observer]), fold))
    result: NDArray[np.int64] = fold_of[index]
    return result


class FoldedPhotos:
    """Features, species and folds of all photos.

    Parameters
    ----------
    embeddings
        Shape (N, F), read in blocks and never copied as a whole.
    species
        Index of the label of each photo, shape (N,).
    observers
        Who took each photo, shape (N,).
    fitted
        Whether something is learnt from the photo, shape (N,); at least one is.
    folds
        How many groups of observers.

    Attributes
    ----------
    fold : int64 (N,)
    species_count
        Highest index of a species, plus 1.
    width
        Number of features F.
    """

    def __init__(
        self,
        embeddings: NDArray[Any],
        species: NDArray[np.int64],
        observers: NDArray[np.int64],
        fitted: NDArray[np.bool_],
        folds: int,
    ) -> None:
        self._embeddings = embeddings
        self.species = species
        self.observers = observers
        self.fitted = fitted
        self.fold = assign_folds(observers, folds)
        self.species_count = int(species.max()) + 1
        self.width = embeddings.shape[1]
        # By content, so that the result does not depend on the order of the input.
        self._order: NDArray[np.intp] = np.lexsort((*embeddings[:, :2].T, species, observers))
        self._mean = np.zeros(self.width, np.float32)
        rows = self._order[fitted[self._order]]
        total = sum(self.features(block).sum(axis=0, dtype=np.float64) for block in self.blocks(rows))
        self._mean = (total / len(rows)).astype(np.float32)

    @property
    def folds(self) -> range:
        """Return the folds that there are."""
        return range(int(self.fold.max()) + 1)

    def of_fold(self, fold: int) -> NDArray[np.intp]:
        """Return the rows of a fold."""
        rows: NDArray[np.intp] = self._order[self.fold[self._order] == fold]
        return rows

    def learnt_from(self, fold: int) -> NDArray[np.intp]:
        """Return the fitted rows of a fold."""
        rows = self.of_fold(fold)
        return rows[self.fitted[rows]]

    def references(self, most: int) -> NDArray[np.intp]:
        """Return fitted rows by species, at most so many of each, of as many observers as there are.

        The observers give one photo in turn, drawn by chance, until there are enough: where one took nearly all, those
        of the others are all among them.
        """
        rows = self._order[self.fitted[self._order]]
        rows = np.random.default_rng(0).permutation(rows)
        rows = rows[np.argsort(_turns(self.species[rows], self.observers[rows]), kind="stable")]
        rows = rows[_turns(self.species[rows]) < most]
        return rows[np.argsort(self.species[rows], kind="stable")]

    def sample(self, size: int) -> NDArray[np.intp]:
        """Return at most so many fitted rows, evenly spread over the observers."""
        rows = self._order[self.fitted[self._order]]
        return rows[np.linspace(0, len(rows) - 1, min(size, len(rows))).astype(np.intp)]

    def blocks(self, rows: NDArray[np.intp], size: int = _BLOCK) -> Iterator[NDArray[np.intp]]:
        """Yield the rows in blocks."""
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

    def features(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the features of rows, about their mean; shape (rows, F)."""
        return roots(self._embeddings[rows]) - self._mean


def _turns(*keys: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return how many rows before each have the same keys (N,), shape (N,)."""
    order = np.lexsort(keys)
    is_first = np.any([np.diff(key[order], prepend=key[order[:1]] - 1) != 0 for key in keys], axis=0)
    place = np.arange(len(order))
    turns = np.empty(len(order), np.intp)
    turns[order] = place - np.maximum.accumulate(np.where(is_first, place, 0))
    return turns
