"""A map of the embeddings: photos that the backbone takes for alike lie near each other in the plane.

t-SNE (van der Maaten and Hinton 2008) on the first principal components, of a sample that gives every class the same
room. The same photos give the same map on the same machine. Needs scikit-learn. Cost: 2,000 photos take about 8 s.

    rows = sample(facts.photo_id, facts.taxon_id, 2_000)
    places = layout(embeddings[rows])              # (N, 2) in 0 to 1
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.curation.features import unit

_COMPONENTS = 50
_PERPLEXITY = 30.0  # about so many neighbours count
_FEWEST = 8  # photos; fewer make no map
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio (Fibonacci hashing)


def sample(photo_ids: NDArray[np.int64], classes: NDArray[np.int64], most: int) -> NDArray[np.intp]:
    """Return at most so many rows, ascending; each class has as many, as far as it goes.

    Which they are depends on the photos' ids alone, so the next data set has most of them too.
    """
    if len(photo_ids) <= most:
        return np.arange(len(photo_ids))
    mixed = (photo_ids.astype(np.uint64) * _MIX) >> np.uint64(11)
    order = np.lexsort((photo_ids, mixed, classes))
    _, first, counts = np.unique(classes[order], return_index=True, return_counts=True)
    turn = np.arange(len(order)) - np.repeat(first, counts)  # 0 for the first of each class, 1 for the second, ...
    chosen: NDArray[np.intp] = np.sort(order[np.lexsort((mixed[order], turn))][:most])
    return chosen


def layout(embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return a place in the plane for each of N embeddings: (N, 2) from 0 to 1; (0, 2) where there are too few."""
    if len(embeddings) < _FEWEST:
        return np.empty((0, 2))
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    components = _principal(unit(embeddings).astype(np.float64))
    perplexity = min(_PERPLEXITY, (len(embeddings) - 1) / 3)
    with threadpool_limits(1):  # sums of several threads differ in the last digit, and t-SNE amplifies that
        places = TSNE(perplexity=perplexity, init=components[:, :2] * 1e-4, random_state=0).fit_transform(components)
    places -= places.min(axis=0)
    return np.asarray(places / np.maximum(places.max(axis=0), 1e-12), np.float64)


def _principal(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first principal components, each with the sign that its largest weight is positive."""
    centred = features - features.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :_COMPONENTS]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    projected: NDArray[np.float64] = centred @ (axes * signs)
    return projected
