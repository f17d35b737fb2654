"""Findings: score and cluster of every photo, by the evidence of the whole data set or by one fixed eps.

findings = find_by_evidence(members, settings)
findings.score > 0.5
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.curation.pruning.clusters import dbscan, find_clusters, main_first
from mushroom_tasks.curation.pruning.evidence import weigh
from mushroom_tasks.curation.pruning.members import Members
from mushroom_tasks.curation.pruning.neighbours import distances
from mushroom_tasks.curation.pruning.support import Support
from mushroom_tasks.settings import PruningSettings

_STEEPNESS = 16  # of the score around a fixed eps: distances in high dimensions differ by little
_FARTHEST_SCORED = 4.0  # in eps; the score is 1 long before


@dataclass(frozen=True)
class Findings:
    """What was found about M photos of K classes.

    Attributes
    ----------
    score : float32 (M,)
        0 typical, 0.5 at the border, 1 surely junk.
    label : int32 (M,)
        Cluster within the class, 0 the main one, -1 none.
    k_distance : float32 (M,)
        To the photo that makes a core sample, as `support` and plain DBSCAN count.
    is_core, is_stray, is_large : bool (M,)
        Core samples; members of stray clusters; those of stray clusters too large to be pruned unseen.
    eps, confirmed : (K,)
        Radius, and how many clusters are looks of the species, per class.
    """

    score: NDArray[np.float32]
    label: NDArray[np.int32]
    k_distance: NDArray[np.float32]
    is_core: NDArray[np.bool_]
    is_stray: NDArray[np.bool_]
    is_large: NDArray[np.bool_]
    eps: NDArray[np.float64]
    confirmed: NDArray[np.int64]

    @classmethod
    def none(cls, members: Members, k_distance: NDArray[np.float32], eps: NDArray[np.float64]) -> Findings:
        """Return findings in which every photo is a typical core sample, to be filled in class by class."""
        count, classes = len(members.rows), len(members.names)
        return cls(
            score=np.zeros(count, np.float32),
            label=np.zeros(count, np.int32),
            k_distance=k_distance,
            is_core=np.ones(count, np.bool_),
            is_stray=np.zeros(count, np.bool_),
            is_large=np.zeros(count, np.bool_),
            eps=eps,
            confirmed=np.ones(classes, np.int64),
        )


def find_by_evidence(members: Members, settings: PruningSettings) -> Findings:
    """Find by the evidence of all classes; how is told in `prune`."""
    support = Support.measure(members, settings.min_samples)
    evidence = weigh(members, support)
    findings = Findings.none(members, support.own, evidence.eps)
    score = evidence.score.copy()
    for index, part in members.each():
        features, people = members.features(part), members.people(part)
        k_distance, eps = support.own[part], float(evidence.eps[index])
        clusters = find_clusters(distances(features, features), k_distance, people, eps, settings.min_samples)
        for photos in clusters.stray():
            score[part.start + photos] = np.median(score[part.start + photos])
            findings.is_large[part.start + photos] = clusters.is_large(photos, people)
        findings.label[part] = clusters.label
        findings.is_core[part] = k_distance <= eps
        findings.is_stray[part] = clusters.is_stray
        findings.confirmed[index] = clusters.confirmed
    findings.score[:] = evidence.probability(score)
    return findings


def find_by_fixed_eps(members: Members, eps: float, settings: PruningSettings) -> Findings:
    """Find by plain DBSCAN with one eps: noise stands out, border samples do not."""
    findings = Findings.none(members, np.empty(len(members.rows), np.float32), np.full(len(members.names), eps))
    for index, part in members.each():
        features = members.features(part)
        near = distances(features, features)
        np.fill_diagonal(near, 0)
        k_distance = np.partition(near, settings.min_samples - 1, axis=1)[:, settings.min_samples - 1]
        label = main_first(dbscan(near, eps, settings.min_samples), members.people(part))
        is_core = k_distance <= eps
        # A border sample is within eps of a core sample, noise of none.
        to_core = near[:, is_core].min(axis=1) if is_core.any() else k_distance
        findings.score[part] = outlier_score(np.minimum(k_distance, to_core), eps)
        findings.label[part], findings.k_distance[part] = label, k_distance
        findings.is_core[part] = label >= 0
        findings.confirmed[index] = label.max() + 1
    return findings


def outlier_score(distance: NDArray[Any], eps: float) -> NDArray[np.float32]:
    """Return a score in [0, 1] that rises with the distance: near 0 for the typical, 0.5 at eps, 1 far beyond."""
    ratio = np.minimum(np.asarray(distance, np.float64) / eps, _FARTHEST_SCORED)
    score: NDArray[np.float32] = (1 - np.exp2(-(ratio**_STEEPNESS))).astype(np.float32)
    return score
