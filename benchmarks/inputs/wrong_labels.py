"""Photos of species under wrong labels: as they were planted, and in two harder ways.

    for name, some in wrong_labels(photos, draws=3): ...

As planted, a wrong label may stand under the very picture that is there under the right label, too, which gives it
away. So it is also measured with each picture once, and with labels of clean photos changed by chance.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from inputs.labelled_bucket import LabelledPhotos

PLANTED, ONCE, CHANGED = "as planted", "each picture once", "labels changed by chance"
_SHARE = 0.03  # of clean photos


def wrong_labels(photos: LabelledPhotos, draws: int) -> Iterator[tuple[str, LabelledPhotos]]:
    """Yield photos with wrong labels, and how they came by them; the last way so many times."""
    yield PLANTED, photos
    yield ONCE, each_picture_once(photos)
    for seed in range(draws):
        yield CHANGED, changed(photos, seed)


def each_picture_once(photos: LabelledPhotos) -> LabelledPhotos:
    """Return all but those clean photos whose picture is there under a wrong label."""
    given_away = np.isin(photos.sha256, photos.sha256[photos.is_mislabelled])
    return photos.subset(~(photos.is_clean & given_away))


def changed(photos: LabelledPhotos, seed: int) -> LabelledPhotos:
    """Return all but the planted ones, with other labels of the data set on some clean photos."""
    random = np.random.default_rng(seed)
    some = photos.subset(~photos.is_mislabelled)
    names, labels = np.unique(some.labels, return_inverse=True)
    chosen = random.permutation(np.flatnonzero(some.is_clean))[: round(_SHARE * some.is_clean.sum())]
    labels[chosen] = (labels[chosen] + random.integers(1, len(names), len(chosen))) % len(names)
    kinds = some.kinds.astype(object)
    kinds[chosen] = "mislabel"
    return some.relabelled(names[labels], kinds.astype(str))
