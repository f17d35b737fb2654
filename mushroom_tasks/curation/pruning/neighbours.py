"""How far a photo has to reach to find enough people whose photos look like it.

Distances are Euclidean between features of unit length: 0 for the same direction, 2 for the opposite one.

    near = distances(features, features)
    people = persons(observers, least=8)
    k_distances(near, people, people, others=3, twin=0.2)      # to the third nearest other person, per photo
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UNRELATED = 3.0  # stands for "no neighbour": finite for scikit-learn, yet beyond every eps
_CROWD = 0.5  # share of a class beyond which one observer's photos must vouch for each other

Distances = NDArray[np.float32]


def distances(here: NDArray[np.float32], there: NDArray[np.float32]) -> Distances:
    """Return the distances (N, M) between unit features (N, F) and (M, F).

    Exact to about 1e-3 for near twins, for float32 cannot tell them apart. Costs 4 N M bytes.
    """
    near = here @ there.T
    np.multiply(near, -2, out=near)
    np.add(near, 2, out=near)
    np.maximum(near, 0, out=near)
    np.sqrt(near, out=near)
    return near


def persons(observers: NDArray[np.int64], least: int) -> NDArray[np.int64]:
    """Return who counts as one person among the photos of a class: numbers from 0, shape (N,).

    A series by one observer must not vouch for itself, so photos of one observer count as one. Where one took more
    than half of the photos there are too few others to ask: each of those photos counts by itself. So does every
    photo where even that makes fewer than `least` persons.
    """
    names, index, counts = np.unique(observers, return_inverse=True, return_counts=True)
    person: NDArray[np.int64] = index.astype(np.int64)
    crowd = np.flatnonzero(counts > _CROWD * len(observers))
    if len(crowd):
        taken = np.flatnonzero(index == crowd[0])
        person[taken] = len(names) + np.arange(len(taken))
    if len(np.unique(person)) < least:
        return np.arange(len(observers), dtype=np.int64)
    return np.unique(person, return_inverse=True)[1].astype(np.int64)


def k_distances(
    near: Distances, here: NDArray[np.int64], there: NDArray[np.int64], *, others: int, twin: float
) -> NDArray[np.float32]:
    """Return the distance of each of N photos to the photos of `others` other people, shape (N,).

    Within eps exactly where the photo is a core sample of people. The same picture again vouches for nothing.

    Parameters
    ----------
    near
        Distances (N, M) to the photos of a class.
    here, there
        Who took the N photos and the M photos, in numbers that agree.
    others
        How many other people are asked.
    twin
        Photos nearer than this are the same picture.
    """
    order = np.argsort(there, kind="stable")
    people = there[order]
    starts = np.flatnonzero(np.diff(people, prepend=people[:1] - 1))
    counted = np.where(near < twin, np.float32(UNRELATED), near)[:, order]
    nearest = np.minimum.reduceat(counted, starts, axis=1)
    nearest[here[:, None] == people[starts][None, :]] = UNRELATED
    place = min(others, nearest.shape[1]) - 1
    k_distance: NDArray[np.float32] = np.partition(nearest, place, axis=1)[:, place]
    return np.minimum(k_distance, np.float32(UNRELATED))
