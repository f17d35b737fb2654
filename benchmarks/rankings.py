"""The rankings that SelfClean publishes, written anew from its paper, on the same embeddings as all others.

SelfClean itself is not installed: it is licensed for non-commercial use alone (CC BY-NC 4.0), and a benchmark of an
Apache-2.0 project must not make people break that. What it ranks by is in its paper, and short: photos off topic by
where they join a single-linkage clustering, wrong labels by how near the photo is to its own class and to all others.
Its paper interpolates the former over the dendrogram; here it is the height at which a photo joins most of the others.
It also trains features of its own, by self-supervision; here it gets the same as ours.

    off_topic(photos).score, label_errors(photos).score

References
----------
Gröger et al. (2024), "Intrinsic self-supervision for data quality audits" (SelfClean), arXiv:2305.17048.
"""

from __future__ import annotations

import numpy as np
from inputs.labelled_bucket import LabelledPhotos
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scoring import Found, best_threshold
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.preprocessing import normalize


def off_topic(photos: LabelledPhotos) -> Found:
    """Rank by the height at which a photo joins a cluster of more than half of all; flag by the best threshold."""
    score = joins(normalize(photos.embeddings))
    flagged = best_threshold(score, photos.is_junk)
    return Found("single linkage, best threshold (as SelfClean ranks)", flagged, score)


def label_errors(photos: LabelledPhotos) -> Found:
    """Rank by how much nearer a photo is to other classes than to its own; flag those that are nearer."""
    near = euclidean_distances(normalize(photos.embeddings))
    np.fill_diagonal(near, np.inf)
    same = photos.labels[:, None] == photos.labels[None, :]
    own, other = (np.where(among, near, np.inf).min(axis=1) for among in (same, ~same))
    score = np.nan_to_num(own**2 / (own**2 + other**2), nan=0.5)
    return Found("nearest of own class and of others (as SelfClean ranks)", own > other, score)


def joins(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the single-linkage height at which each photo (N, F) comes to be among more than half of all; (N,)."""
    count = len(features)
    members: dict[int, list[int]] = {photo: [photo] for photo in range(count)}
    height = np.zeros(count)
    for merge, (left, right, distance, size) in enumerate(linkage(features, "single")):
        parts = members.pop(int(left)), members.pop(int(right))
        for part in parts if size > count / 2 else ():
            if len(part) <= count / 2:
                height[part] = distance
        members[count + merge] = parts[0] + parts[1]
    return height
