"""MixUp and CutMix: each photo of a batch blended with, or partly covered by, the one before it.

    mixes = mixes_of(draws(seed, epoch, first, count), settings, 224)   # (N, 5), NumPy
    pixels, labels = mix(pixels, labels, mixes)                         # in the graph

The label becomes the same blend of both labels, so it still sums to 1. Every photo draws its own share.

References
----------
Zhang et al. 2018, mixup: Beyond Empirical Risk Minimization.
Yun et al. 2019, CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.learning.augmentation import Draw
from mushroom_tasks.settings.augmentation import AugmentationSettings


def is_mixing(settings: AugmentationSettings) -> bool:
    """Tell whether photos are mixed at all."""
    return settings.mixup_alpha > 0 or settings.cutmix_alpha > 0


def mixes_of(drawn: NDArray[np.float64], settings: AugmentationSettings, size: int) -> NDArray[np.float32]:
    """Return (share kept, top, left, bottom, right) of each photo: shape (N, 5).

    The rectangle, in pixels, is where the other photo covers this one; MixUp has an empty one. The share kept is that
    of the label: with CutMix, of the pixels that are really left.
    """
    from scipy.special import betaincinv

    if not is_mixing(settings):
        return np.tile(np.array([1, 0, 0, 0, 0], np.float32), (len(drawn), 1))
    cuts = _is_cut(drawn, settings)
    alpha = np.where(cuts, settings.cutmix_alpha, settings.mixup_alpha)
    kept = betaincinv(alpha, alpha, drawn[:, Draw.MIX_SHARE])
    half = size * np.sqrt(1 - kept) / 2
    middle = size * drawn[:, (Draw.CUT_Y, Draw.CUT_X)].T
    begin = np.round(np.clip(middle - half, 0, size)) * cuts
    end = np.round(np.clip(middle + half, 0, size)) * cuts
    covered = np.prod(end - begin, axis=0) / size**2
    kept = np.where(cuts, 1 - covered, kept)
    return np.stack([kept, *begin, *end], axis=1).astype(np.float32)


def mix(pixels: Any, labels: Any, mixes: Any) -> tuple[Any, Any]:
    """Return the mixed batch: pixels (N, S, S, 3) and labels (N, C)."""
    import tensorflow as tf

    kept = mixes[:, 0]
    top, left, bottom, right = (mixes[:, column, None] for column in range(1, 5))
    place = tf.range(tf.shape(pixels)[1], dtype=tf.float32)[None]
    rows = (place >= top) & (place < bottom)
    columns = (place >= left) & (place < right)
    covered = tf.cast(rows[:, :, None] & columns[:, None, :], tf.float32)
    is_cut = (bottom > top) & (right > left)
    weight = tf.where(is_cut[:, :, None], 1 - covered, kept[:, None, None])[..., None]
    share = kept[:, None]
    return (
        pixels * weight + tf.roll(pixels, 1, axis=0) * (1 - weight),
        labels * share + tf.roll(labels, 1, axis=0) * (1 - share),
    )


def _is_cut(drawn: NDArray[np.float64], settings: AugmentationSettings) -> NDArray[np.bool_]:
    if settings.mixup_alpha > 0 and settings.cutmix_alpha > 0:
        return drawn[:, Draw.MIX_KIND] < 0.5
    return np.full(len(drawn), settings.cutmix_alpha > 0)
