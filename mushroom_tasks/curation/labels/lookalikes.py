"""Which species a photo looks like by the single photos it resembles: a kernel density over photos by other people.

A species has looks: young, old, from below, in somebody's hand. Its mean knows none of them, its photos do. The
logit of a species is the log of the mean of exp(concentration * likeness) over its photos by other observers.
Likeness is the cosine, as far as the axes tell: what lies outside them resembles nothing, so a photo of something else
altogether is no more like one species than like another.

    near = Lookalikes(photos, axes)
    (logits,) = near.logits(rows, [15.0])

Cost: N * references * axes operations and one exponential per pair; the references are at most 200 of a species, so it
grows with N alone where species are large. They are by as many observers as there are: where one person took nearly all
photos of a species, the few by others are what speaks about them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.curation.features import unit
from mushroom_tasks.curation.labels.folds import FoldedPhotos

_REFERENCES = 200  # photos of a species that others are held against; 2 or more, so that somebody else is among them
_PAIRS = 1 << 22  # held at once: 16 MB, little enough to be used again for the next
_LEAST = 1e-30  # float32 knows little below it


class Lookalikes:
    """All photos along a few axes, and those that the others are held against.

    Parameters
    ----------
    photos
        All photos.
    axes
        Orthonormal directions (F, A) that keep what tells photos apart.
    """

    def __init__(self, photos: FoldedPhotos, axes: NDArray[np.float32]) -> None:
        self._photos = photos
        self._features = np.empty((len(photos.species), axes.shape[1]), np.float32)
        for rows in photos.blocks(np.arange(len(photos.species))):
            self._features[rows] = unit(photos.features(rows)) @ axes
        self._references = photos.references(_REFERENCES)

    def logits(self, rows: NDArray[np.intp], concentrations: Sequence[float]) -> list[NDArray[np.float32]]:
        """Return what photos by other observers say about rows, for each concentration; shape (rows, species).

        It is minus infinity for species that nobody else photographed.
        """
        photos, references = self._photos, self._references
        found = [np.full((len(rows), photos.species_count), -np.inf, np.float32) for _ in concentrations]
        against, observers = self._features[references].T, photos.observers[references]
        species, starts = np.unique(photos.species[references], return_index=True)
        size = max(_PAIRS // len(references), 1)
        for start in range(0, len(rows), size):
            block = slice(start, start + size)
            by_others = photos.observers[rows[block], None] != observers
            counts = np.add.reduceat(by_others, starts, axis=1, dtype=np.float32)
            away = self._features[rows[block]] @ against - 1  # 0 in the same direction, so that nothing overflows
            for logits, concentration in zip(found, concentrations, strict=True):
                likeness = np.add.reduceat(np.exp(concentration * away) * by_others, starts, axis=1)
                mean = likeness / np.maximum(counts, 1) + _LEAST
                logits[block, species] = np.where(counts > 0, np.log(mean), -np.inf)
        return found
