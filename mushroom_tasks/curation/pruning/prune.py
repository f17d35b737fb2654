"""Prune: flag the photos of each class that do not show it.

What is photographed as a species holds hands, spore prints, labels, habitats; singly, and as whole series by one
person. A photo is typical of its class when photos *by other people* look like it; it is junk when none do, and all
the more when it looks like what stands out in other species too. So:

1. **Support** (`support`). Features are scaled to unit length. Each photo's k-distance reaches to the
   (min_samples - 1)th nearest other *person* of its class: a series by one observer, however dense, gives its members
   no support, and others only as much as one photo. It is placed between what is typical of the class and what photos
   of other species reach, so that a departure means the same in a uniform species and in a varied one. Both levels are
   drawn towards those of the whole data set.
2. **Likeness** (`likeness`). A photo is compared with the photos of *other* classes that stand apart and with those
   that are typical there. A mushroom of the wrong species looks like the latter, a hand like the former.
3. **Evidence** (`evidence`, `mixture`). Departure and likeness are added with the weights of a linear discriminant. The
   sum has two humps over the data set where there is junk; a mixture of two populations gives each photo the
   probability that it is junk, its `outlier_score`. The border is where this is one half, so it moves by itself with
   how much junk there is, in the data set and in the class. What stands apart tells what junk looks like, so this goes
   in rounds until the same photos stand apart. Where no second hump is well separated and far from the classes, only
   single photos far outside are flagged, beyond what one in a thousand reaches by its departure.
4. **Clusters** (`clusters`). DBSCAN* (core samples only) with people in place of photos. Its eps, per class, is the
   k-distance that one typical photo in a hundred exceeds. (The knee of a class's own k-distance curve, the
   usual advice, jumps with single photos in classes of this size.) A cluster of core samples apart from the main one
   is a second look: young, old, from below. What is left and clusters only among itself is stray: a series, which
   falls or stays as a whole, by its median score.
5. **Limits** (`limits`). A class of which too much would go is not cut but put to review (`held_back`), and so is a
   stray group of several people that is half as large as the main cluster. Photos near the border are kept or pruned,
   and named for review too (`near_border`).

With `eps` set it is plain DBSCAN with that radius and all photos as neighbours; its noise is flagged.

Needs scikit-learn, imported when it prunes. Cost: O(n^2) time and 12 n^2 bytes for a class of n photos, one class
after the other; besides those nothing that grows with the features.

    result = prune(names, features, observers, PruningSettings())
    kept = ~result.is_outlier

References
----------
Ester et al. (1996), "A density-based algorithm for discovering clusters in large spatial databases with noise".
Campello, Moulavi, Sander (2013), "Density-based clustering based on hierarchical density estimates".
Dempster, Laird, Rubin (1977), "Maximum likelihood from incomplete data via the EM algorithm".
Efron (2004), "Large-scale simultaneous hypothesis testing: the choice of a null hypothesis".
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.curation import reasons
from mushroom_tasks.curation.pruning.findings import Findings, find_by_evidence, find_by_fixed_eps
from mushroom_tasks.curation.pruning.limits import Verdict, decide
from mushroom_tasks.curation.pruning.members import Members
from mushroom_tasks.errors import CurationError
from mushroom_tasks.settings import PruningSettings

logger = logging.getLogger(__name__)

_CURVE = 200  # points of a k-distance curve at the most


@dataclass(frozen=True)
class ClassReport:
    """What pruning did to one class, JSON-friendly.

    Attributes
    ----------
    photos, observers
        How many there are.
    eps
        Radius of the class, a distance between unit vectors (0 to 2); None where it is too small and was left alone.
    clusters
        Looks of the species, the main cluster among them; 0 where there is none.
    noise, stray_cluster, like_junk
        Photos that were pruned, by reason.
    held_back, near_border
        Photos that people should look at, by doubt.
    k_distances
        The k-distances in ascending order, evenly chosen where there are many: where the curve crosses `eps`,
        core samples end.
    """

    photos: int
    observers: int
    eps: float | None = None
    clusters: int = 1
    noise: int = 0
    stray_cluster: int = 0
    like_junk: int = 0
    held_back: int = 0
    near_border: int = 0
    k_distances: tuple[float, ...] = ()


@dataclass(frozen=True)
class Pruning:
    """The outcome per photo, in the order of the input, and per class.

    Attributes
    ----------
    cluster_label : int32 (N,)
        Cluster within the class, 0 is the main one, -1 is noise. 0 in classes left alone.
    is_outlier : bool (N,)
    reason : object (N,)
        What was found, a code of `reasons`. A photo that was held back keeps the reason why it stands out.
    doubt : object (N,)
        Why a person should look, a code of `reasons`, or None.
    outlier_score : float32 (N,)
        Probability that the photo is junk, 0.5 at the border. 0 in classes left alone.
    report
        One `ClassReport` per class, by its name as a text.
    """

    cluster_label: NDArray[np.int32]
    is_outlier: NDArray[np.bool_]
    reason: NDArray[np.object_]
    doubt: NDArray[np.object_]
    outlier_score: NDArray[np.float32]
    report: dict[str, ClassReport]


def prune(
    classes: NDArray[Any], embeddings: NDArray[Any], observers: NDArray[np.int64], settings: PruningSettings
) -> Pruning:
    """Flag the outliers of each class.

    The result depends neither on the order of the rows nor on chance; the inputs are not changed.

    Parameters
    ----------
    classes
        Class of each photo, strings or integers, shape (N,).
    embeddings
        Features of each photo, of any length (they are scaled here), shape (N, F).
    observers
        Who took each photo, shape (N,).
    settings
        `eps` fixes the radius for all classes, instead of choosing it from the data.

    Raises
    ------
    CurationError
        Where shapes do not fit, or the features of a photo are all zero or not finite.
    """
    _check(classes, embeddings, observers)
    result = _left_alone(classes, observers)
    # Below twice min_samples an observer with half of the photos would leave the others no neighbourhood.
    least = max(settings.min_class_size, 2 * settings.min_samples)
    members = Members.of(classes, embeddings, observers, least)
    if members.names:
        findings = _find(members, settings)
        verdict = decide(members, findings, settings)
        _fill(result, members, findings, verdict)
    logger.info("pruned %d of %d photos in %d classes", result.is_outlier.sum(), len(classes), len(result.report))
    return result


def _find(members: Members, settings: PruningSettings) -> Findings:
    from threadpoolctl import threadpool_limits

    # Thousands of small products: a second thread gains little, and where the cores are busy they wait for each other.
    with threadpool_limits(1):
        if settings.eps is None:
            return find_by_evidence(members, settings)
        return find_by_fixed_eps(members, settings.eps, settings)


def _check(classes: NDArray[Any], embeddings: NDArray[Any], observers: NDArray[np.int64]) -> None:
    if classes.ndim != 1 or embeddings.ndim != 2 or not len(classes) == len(embeddings) == len(observers):
        raise CurationError(
            "pruning needs classes (N,), embeddings (N, F) and observers (N,). "
            f"Received: {classes.shape}, {embeddings.shape}, {observers.shape}"
        )
    squares = np.einsum("ij,ij->i", embeddings, embeddings, dtype=np.float64)
    unusable = np.flatnonzero(~np.isfinite(squares) | (squares <= 0))
    if len(unusable):
        raise CurationError(
            f"the features of {len(unusable)} photos are all zero or not finite, the first in row {unusable[0]}. "
            "Embed them again; if they stay so, the backbone's weights are damaged."
        )


def _left_alone(classes: NDArray[Any], observers: NDArray[np.int64]) -> Pruning:
    names, index = np.unique(classes, return_inverse=True)
    pairs = np.unique(np.stack([index, observers]), axis=1)[0] if len(classes) else np.array([], np.int64)
    photos, people = (np.bincount(values, minlength=len(names)) for values in (index, pairs))
    return Pruning(
        cluster_label=np.zeros(len(classes), np.int32),
        is_outlier=np.zeros(len(classes), np.bool_),
        reason=np.full(len(classes), reasons.LEFT_ALONE, np.object_),
        doubt=np.full(len(classes), None, np.object_),
        outlier_score=np.zeros(len(classes), np.float32),
        report={str(name): ClassReport(int(photos[i]), int(people[i])) for i, name in enumerate(names)},
    )


def _fill(result: Pruning, members: Members, findings: Findings, verdict: Verdict) -> None:
    result.cluster_label[members.rows] = findings.label
    result.is_outlier[members.rows] = verdict.is_outlier
    result.reason[members.rows] = verdict.reason
    result.doubt[members.rows] = verdict.doubt
    result.outlier_score[members.rows] = findings.score
    for index, part in members.each():
        pruned = verdict.reason[part][verdict.is_outlier[part]]
        curve = np.sort(findings.k_distance[part])
        shown = np.unique(np.linspace(0, len(curve) - 1, _CURVE).astype(np.intp))
        result.report[members.names[index]] = ClassReport(
            photos=part.stop - part.start,
            observers=len(np.unique(members.people(part))),
            eps=float(findings.eps[index]),
            clusters=int(findings.confirmed[index]),
            noise=int(np.sum(pruned == reasons.NOISE)),
            stray_cluster=int(np.sum(pruned == reasons.STRAY_CLUSTER)),
            like_junk=int(np.sum(pruned == reasons.LIKE_JUNK)),
            held_back=int(np.sum(verdict.doubt[part] == reasons.HELD_BACK)),
            near_border=int(np.sum(verdict.doubt[part] == reasons.NEAR_BORDER)),
            k_distances=tuple(round(float(value), 4) for value in curve[shown]),
        )
