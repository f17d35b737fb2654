"""Data sets of the same photos with more junk or less: 0, 5, 15 or 30 % of the classes that have any.

The junk that there is does not suffice for all classes at 30 %, and no photo may be there twice: it would be proof
against itself. So the higher the share, the fewer classes have junk, which are drawn by chance; the others keep their
clean photos alone. A series stays together, at most one in a class. Wrong species are left out.

    some = contaminated(photos, share=0.15, seed=3)
    some.is_junk
"""

from __future__ import annotations

import numpy as np
from inputs.labelled_bucket import LabelledPhotos
from numpy.typing import NDArray


def contaminated(photos: LabelledPhotos, share: float, seed: int) -> LabelledPhotos:
    """Return all clean photos, and junk that makes up this share (0 to 1) of as many classes as it suffices for."""
    random = np.random.default_rng(seed)
    clean = np.flatnonzero(photos.is_clean)
    names, counts = np.unique(photos.labels[clean], return_counts=True)
    order = random.permutation(len(names))
    wanted = np.cumsum(counts[order]) * share / (1 - share)
    chosen = order[wanted <= photos.is_junk.sum()]
    junk, labels = _draw(photos, names[chosen], counts[chosen], round(wanted[len(chosen) - 1]), random)
    rows = np.concatenate([clean, junk])
    by_id = np.argsort(rows, kind="stable")
    some = photos.subset(rows[by_id])
    return some.relabelled(np.concatenate([photos.labels[clean], labels])[by_id], some.kinds)


def _draw(
    photos: LabelledPhotos,
    names: NDArray[np.str_],
    counts: NDArray[np.int64],
    wanted: int,
    random: np.random.Generator,
) -> tuple[NDArray[np.intp], NDArray[np.str_]]:
    """Return rows of junk and the classes that they are filed under: series first, then single photos."""
    rows: list[NDArray[np.intp]] = [np.zeros(0, np.intp)]
    labels: list[NDArray[np.str_]] = [np.zeros(0, names.dtype)]
    series = photos.clumps
    for name, which in zip(random.permutation(names), random.permutation(len(series)), strict=False):
        if sum(map(len, rows)) + len(series[which]) <= wanted:
            rows.append(series[which])
            labels.append(np.full(len(series[which]), name))
    single = random.permutation(np.flatnonzero(photos.is_scattered))[: wanted - sum(map(len, rows))]
    rows.append(single)
    labels.append(random.choice(names, len(single), p=counts / counts.sum()))
    return np.concatenate(rows), np.concatenate(labels)
