"""How each training photo is changed: numbers drawn in NumPy, pixels changed in TensorFlow's graph.

    drawn = draws(seed=1, epoch=0, first=64, count=32)              # of the photos at positions 64 to 95 of epoch 0
    windows = crop_windows(drawn, sizes, settings)
    pixels = crop(jpeg, window, 224)                                # of each photo, in the graph
    pixels = turn(pixels, turns(drawn, settings, 224), settings)    # of the batch, in the graph
    pixels = recolour(pixels, colours(drawn, settings))

Draws are a function of seed, epoch and the photo's position in the epoch alone. An epoch can thus begin at any step,
in any process and with any batch size, with the very same pixels.

All turns of a photo (flip, rotation, translation, zoom, shear) are one affine map and so one resampling: each further
one would cost as much again and blur. Contrast and brightness are one multiplication.
"""

from __future__ import annotations

from enum import IntEnum
from math import pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.settings.augmentation import AugmentationSettings

MAX_OPERATIONS = 4  # of RandAugment, the limit of its setting
_AUGMENT = 2  # what separates these draws from those of the order, which share seed and epoch


class Draw(IntEnum):
    """What each number drawn for a photo decides. New ones at the end: the others keep their columns."""

    AREA = 0
    ASPECT = 1
    TOP = 2
    LEFT = 3
    FLIP = 4
    ROTATION = 5
    SHIFT_X = 6
    SHIFT_Y = 7
    ZOOM = 8
    CONTRAST = 9
    BRIGHTNESS = 10
    MIX_KIND = 11
    MIX_SHARE = 12
    CUT_X = 13
    CUT_Y = 14
    OPERATION = 16  # and the next three
    SIGN = OPERATION + MAX_OPERATIONS  # and the next three


_COLUMNS = Draw.SIGN + MAX_OPERATIONS
_DRAWS_A_BLOCK = 4  # Philox makes four numbers at a time, so a position has to begin at a multiple of four


def draws(seed: int, epoch: int, first: int, count: int) -> NDArray[np.float64]:
    """Return uniform numbers in [0, 1) for the positions `first` to `first + count` of an epoch.

    Shape (count, columns), a column for each `Draw`. Positions are jumped to, so their cost is that of `count`.
    """
    bits = np.random.Philox(np.random.SeedSequence([seed, epoch, _AUGMENT]))
    bits.advance(first * _COLUMNS // _DRAWS_A_BLOCK)
    return np.random.Generator(bits).random((count, _COLUMNS))


def crop_windows(
    drawn: NDArray[np.float64], sizes: NDArray[np.int64], settings: AugmentationSettings
) -> NDArray[np.int32]:
    """Return (top, left, height, width) of the part of each photo that is shown: shape (N, 4), in pixels.

    `sizes` is (height, width) of each photo, shape (N, 2). Area and aspect are drawn as Szegedy et al. 2015 do (Going
    Deeper with Convolutions); what the photo is too small for is cut to its side. Without a random crop: the centre
    square, as in `imaging.model_input`.
    """
    height, width = sizes[:, 0].astype(float), sizes[:, 1].astype(float)
    if settings.crop_area == 1:
        high = wide = np.minimum(height, width)
        across, down = np.full((2, len(sizes)), 0.5)
    else:
        area = height * width * (settings.crop_area + (1 - settings.crop_area) * drawn[:, Draw.AREA])
        aspect = settings.crop_aspect ** _signed(drawn[:, Draw.ASPECT])
        wide = np.minimum(np.sqrt(area * aspect), width)
        high = np.minimum(np.sqrt(area / aspect), height)
        wide, high = np.minimum(wide, high * settings.crop_aspect), np.minimum(high, wide * settings.crop_aspect)
        across, down = drawn[:, Draw.LEFT], drawn[:, Draw.TOP]
    high, wide = np.maximum(np.round(high), 1), np.maximum(np.round(wide), 1)
    top, left = np.floor(down * (height - high + 1)), np.floor(across * (width - wide + 1))
    if settings.crop_area == 1:
        top, left = np.floor((height - high) / 2), np.floor((width - wide) / 2)
    return np.stack([top, left, high, wide], axis=1).astype(np.int32)


def turns(
    drawn: NDArray[np.float64],
    settings: AugmentationSettings,
    size: int,
    further: NDArray[np.float64] | None = None,
) -> NDArray[np.float32]:
    """Return the affine map of each photo, from a place in the result to the place it is read at: shape (N, 8).

    The eight numbers of TensorFlow's projective transforms, in pixels. `further` maps, shape (N, 3, 3) around the
    photo's centre, are joined to them.
    """
    angle = 2 * pi * settings.rotation * _signed(drawn[:, Draw.ROTATION])
    scale = 1 + settings.zoom * (1.5 * drawn[:, Draw.ZOOM] - 1)
    flip = np.where(settings.flip & (drawn[:, Draw.FLIP] < 0.5), -1.0, 1.0)
    maps = np.zeros((len(drawn), 3, 3))
    maps[:, 0, 0], maps[:, 0, 1] = flip * scale * np.cos(angle), -scale * np.sin(angle)
    maps[:, 1, 0], maps[:, 1, 1] = flip * scale * np.sin(angle), scale * np.cos(angle)
    maps[:, 0, 2] = size * settings.translation * _signed(drawn[:, Draw.SHIFT_X])
    maps[:, 1, 2] = size * settings.translation * _signed(drawn[:, Draw.SHIFT_Y])
    maps[:, 2, 2] = 1
    if further is not None:
        maps = maps @ further
    centre = (size - 1) / 2
    maps[:, :2, 2] += centre - centre * maps[:, :2, :2].sum(axis=2)
    return maps.reshape(-1, 9)[:, :8].astype(np.float32)


def colours(drawn: NDArray[np.float64], settings: AugmentationSettings) -> NDArray[np.float32]:
    """Return (factor around the photo's mean, added value) of contrast and brightness: shape (N, 2)."""
    factor = 1 + settings.contrast * _signed(drawn[:, Draw.CONTRAST])
    added = 255 * settings.brightness * _signed(drawn[:, Draw.BRIGHTNESS])
    return np.stack([factor, added], axis=1).astype(np.float32)


def crop(jpeg: Any, window: Any, size: int) -> Any:
    """Return the window of a JPEG as float32 0..255 of shape (size, size, 3); only its part is decoded."""
    import tensorflow as tf

    # Pillow's transform, to the bit: TensorFlow's own choice is off by one on average, and no faster.
    pixels = tf.image.decode_and_crop_jpeg(jpeg, window, channels=3, dct_method="INTEGER_ACCURATE")
    return tf.ensure_shape(tf.image.resize(pixels, (size, size), antialias=True), (size, size, 3))


def turn(pixels: Any, maps: Any, settings: AugmentationSettings) -> Any:
    """Return a batch turned by `turns`: one resampling, and none where photos are only flipped."""
    import tensorflow as tf

    if settings.rotation or settings.translation or settings.zoom or settings.randaugment_number:
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=pixels,
            transforms=maps,
            output_shape=tf.shape(pixels)[1:3],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="REFLECT",
        )
    if settings.flip:
        return tf.where(maps[:, 0, None, None, None] < 0, tf.reverse(pixels, [2]), pixels)
    return pixels


def recolour(pixels: Any, values: Any) -> Any:
    """Return a batch with the contrast and brightness of `colours`, within 0..255."""
    import tensorflow as tf

    factor, added = values[:, 0, None, None, None], values[:, 1, None, None, None]
    mean = tf.reduce_mean(pixels, axis=(1, 2), keepdims=True)
    return tf.clip_by_value(pixels * factor + (mean * (1 - factor) + added), 0, 255)


def _signed(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2 * uniform - 1
