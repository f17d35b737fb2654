"""Which species a photo looks like by its features as a whole: linear discriminant analysis, held out by folds.

Species are bells of one common shape around their means. Means and shape for the photos of a fold come from the sums
and products of the other folds, so that one pass over the photos serves all folds. The shape is drawn towards a ball
(shrinkage), without which 1,280 features of a few thousand photos say nothing.

    (rule,) = Discriminant(photos).rules(fold, [0.7])
    rule.logits(photos.features(photos.of_fold(fold)))

Cost: 2 N F^2 operations once, F^3 for each fold and shrinkage; 8 F^2 bytes for each fold.

References
----------
Friedman (1989), "Regularized discriminant analysis".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.curation.labels.folds import FoldedPhotos

_LEAST_VARIANCE = 1e-9  # of a feature, where all photos of each species are the same


@dataclass(frozen=True)
class Rule:
    """A linear rule: weights (F, species) and offsets (species,), minus infinity for species nothing is known of."""

    weights: NDArray[np.float32]
    offsets: NDArray[np.float32]

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how much features (N, F) speak for each species, shape (N, species)."""
        logits: NDArray[np.float32] = features @ self.weights + self.offsets
        return logits


class Discriminant:
    """Counts, sums and products of the features of all folds."""

    def __init__(self, photos: FoldedPhotos) -> None:
        folds, species, width = len(photos.folds), photos.species_count, photos.width
        self._photos = photos
        self._counts = np.zeros((folds, species))
        self._sums = np.zeros((folds, species, width))
        self._products = np.zeros((folds, width, width))
        for fold in photos.folds:
            for rows in photos.blocks(photos.learnt_from(fold)):
                rows = rows[np.argsort(photos.species[rows], kind="stable")]
                features = photos.features(rows)
                names, starts, counts = np.unique(photos.species[rows], return_index=True, return_counts=True)
                self._counts[fold, names] += counts
                self._sums[fold, names] += np.add.reduceat(features, starts, axis=0)
                self._products[fold] += features.T @ features

    def learnt(self, fold: int) -> NDArray[np.bool_]:
        """Tell of which species the other folds hold photos, shape (species,)."""
        known: NDArray[np.bool_] = self._others(self._counts, fold) > 0
        return known

    def rules(self, fold: int, shrinkages: Sequence[float]) -> list[Rule]:
        """Return what is learnt from the other folds, for each shrinkage (0 to 1)."""
        counts = self._others(self._counts, fold)
        means = self._others(self._sums, fold) / np.maximum(counts, 1)[:, None]
        within = self._others(self._products, fold) - (means * counts[:, None]).T @ means
        within /= max(counts.sum() - np.sum(counts > 0), 1)
        ball = max(np.trace(within) / len(within), _LEAST_VARIANCE) * np.eye(len(within))
        found = []
        for shrinkage in shrinkages:
            shape = (1 - shrinkage) * within + shrinkage * ball
            # In single precision, which halves the time; the ball keeps the shape far from singular.
            weights = np.linalg.solve(shape.astype(np.float32), means.T.astype(np.float32))
            offsets = np.where(counts > 0, -0.5 * np.sum(means.T * weights, axis=0), -np.inf)
            found.append(Rule(weights, offsets.astype(np.float32)))
        return found

    def axes(self, count: int) -> NDArray[np.float32]:
        """Return the directions along which photos differ most, whatever their labels; shape (F, at most count)."""
        _, directions = np.linalg.eigh(self._products.sum(axis=0).astype(np.float32))
        return np.ascontiguousarray(directions[:, ::-1][:, :count])

    def _others(self, by_fold: NDArray[np.float64], fold: int) -> NDArray[np.float64]:
        others: NDArray[np.float64] = by_fold.sum(axis=0) - by_fold[fold]
        return others
