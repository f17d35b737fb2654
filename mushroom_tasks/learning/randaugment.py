"""RandAugment: a few operations a photo, drawn from fourteen, all of one magnitude.

    chosen = operations_of(drawn, settings)                         # .names, .strengths: (N, number), NumPy
    maps = turns(drawn, settings, 224, chosen.maps(224))            # shear, shift and rotation join the other turns
    pixels = operate(pixels, names, strengths)                      # the rest, of each photo, in the graph

Unlike the original, the five operations that turn or shift a photo are no resampling of their own, so they come after
those that recolour it; and a darkened or blended photo is cut to 0..255 after each operation, not rounded.

References
----------
Cubuk et al. 2020, RandAugment: Practical automated data augmentation with a reduced search space.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.learning.augmentation import Draw
from mushroom_tasks.settings.augmentation import AugmentationSettings

OPERATIONS = (
    "identity",
    "autocontrast",
    "equalize",
    "solarize",
    "posterize",
    "color",
    "contrast",
    "brightness",
    "sharpness",
    "rotate",
    "shear_x",
    "shear_y",
    "shift_x",
    "shift_y",
)
_MOST = {  # at magnitude 10
    "solarize": 256.0,  # values above 256 minus this are inverted
    "posterize": 4.0,  # bits taken away
    "color": 0.9,  # these four: the factor is 1 plus or minus this
    "contrast": 0.9,
    "brightness": 0.9,
    "sharpness": 0.9,
    "rotate": 30 * pi / 180,
    "shear_x": 0.3,
    "shear_y": 0.3,
    "shift_x": 0.45,  # of the side
    "shift_y": 0.45,
}
_UNSIGNED = ("solarize", "posterize")
_GREY = (0.299, 0.587, 0.114)  # ITU-R 601, as Pillow has it


@dataclass(frozen=True)
class Operations:
    """What happens to each photo of a batch: indices into OPERATIONS and their strengths, both (N, number)."""

    names: NDArray[np.int32]
    strengths: NDArray[np.float32]

    def maps(self, size: int) -> NDArray[np.float64]:
        """Return the turns among them as one affine map of each photo around its centre: shape (N, 3, 3), pixels."""
        joined = np.broadcast_to(np.eye(3), (len(self.names), 3, 3))
        for names, strengths in zip(self.names.T, self.strengths.T, strict=True):
            one = np.broadcast_to(np.eye(3), joined.shape).copy()
            for name, places in _PLACES.items():
                chosen = names == OPERATIONS.index(name)
                one[chosen] = places(strengths[chosen].astype(float), size)
            joined = one @ joined
        return joined


def operations_of(drawn: NDArray[np.float64], settings: AugmentationSettings) -> Operations:
    """Return the operations of each photo; the sign of a strength is drawn, its size is the magnitude's."""
    number = settings.randaugment_number
    names = (drawn[:, Draw.OPERATION : Draw.OPERATION + number] * len(OPERATIONS)).astype(np.int32)
    signs = np.where(drawn[:, Draw.SIGN : Draw.SIGN + number] < 0.5, -1.0, 1.0)
    most = np.array([_MOST.get(name, 0.0) for name in OPERATIONS])
    signs[np.isin(names, [OPERATIONS.index(name) for name in _UNSIGNED])] = 1.0
    return Operations(names, (signs * most[names] * settings.randaugment_magnitude / 10).astype(np.float32))


def operate(pixels: Any, names: Any, strengths: Any) -> Any:
    """Return a photo, float32 0..255 (S, S, 3), after its operations but those that turn it."""
    import tensorflow as tf

    for place in range(names.shape[0]):
        branches = [partial(change, pixels, strengths[place]) for change in _CHANGES]
        changed = tf.switch_case(tf.minimum(names[place], len(branches) - 1), branches)
        pixels = tf.ensure_shape(tf.clip_by_value(changed, 0, 255), pixels.shape)
    return pixels


def _same(pixels: Any, _strength: Any) -> Any:
    import tensorflow as tf

    return tf.identity(pixels)


def _autocontrast(pixels: Any, _strength: Any) -> Any:
    import tensorflow as tf

    low, high = tf.reduce_min(pixels, axis=(0, 1)), tf.reduce_max(pixels, axis=(0, 1))
    return tf.where(high > low, (pixels - low) * tf.math.divide_no_nan(255.0, high - low), pixels)


def _equalize(pixels: Any, _strength: Any) -> Any:
    import tensorflow as tf

    values = tf.cast(tf.round(pixels), tf.int32)

    def of_channel(channel: Any) -> Any:
        counts = tf.math.bincount(tf.reshape(channel, [-1]), minlength=256, maxlength=256)
        below = tf.cast(tf.cumsum(counts), tf.float32)
        first = tf.reduce_min(tf.boolean_mask(below, counts > 0))
        total = below[-1]
        level = tf.math.divide_no_nan(255.0 * (below - first), total - first)
        return tf.cond(total > first, lambda: tf.gather(level, channel), lambda: tf.cast(channel, tf.float32))

    return tf.stack([of_channel(values[:, :, channel]) for channel in range(3)], axis=2)


def _solarize(pixels: Any, strength: Any) -> Any:
    import tensorflow as tf

    return tf.where(pixels >= 256 - strength, 255 - pixels, pixels)


def _posterize(pixels: Any, strength: Any) -> Any:
    import tensorflow as tf

    step = tf.pow(2.0, tf.round(strength))
    return tf.floor(pixels / step) * step


def _color(pixels: Any, strength: Any) -> Any:
    import tensorflow as tf

    grey = tf.reduce_sum(pixels * _GREY, axis=2, keepdims=True)
    return grey + (pixels - grey) * (1 + strength)


def _contrast(pixels: Any, strength: Any) -> Any:
    import tensorflow as tf

    grey = tf.reduce_mean(tf.reduce_sum(pixels * _GREY, axis=2))
    return grey + (pixels - grey) * (1 + strength)


def _brightness(pixels: Any, strength: Any) -> Any:
    return pixels * (1 + strength)


def _sharpness(pixels: Any, strength: Any) -> Any:
    import tensorflow as tf

    kernel = np.full((3, 3), 1 / 13, np.float32)  # Pillow's SMOOTH
    kernel[1, 1] = 5 / 13
    padded = tf.pad(pixels, [[1, 1], [1, 1], [0, 0]], "SYMMETRIC")[None]
    depthwise = np.repeat(kernel[:, :, None, None], 3, axis=2)
    smooth = tf.nn.depthwise_conv2d(padded, depthwise, [1, 1, 1, 1], "VALID")[0]
    return smooth + (pixels - smooth) * (1 + strength)


# In the order of OPERATIONS; the last stands for all that turn a photo.
_CHANGES: tuple[Callable[[Any, Any], Any], ...] = (
    _same,
    _autocontrast,
    _equalize,
    _solarize,
    _posterize,
    _color,
    _contrast,
    _brightness,
    _sharpness,
    _same,
)


def _places(strengths: NDArray[np.float64], entries: dict[tuple[int, int], NDArray[np.float64]]) -> NDArray[np.float64]:
    maps = np.broadcast_to(np.eye(3), (len(strengths), 3, 3)).copy()
    for (row, column), values in entries.items():
        maps[:, row, column] = values
    return maps


_PLACES: dict[str, Callable[[NDArray[np.float64], int], NDArray[np.float64]]] = {
    "rotate": lambda angle, _: _places(
        angle, {(0, 0): np.cos(angle), (0, 1): -np.sin(angle), (1, 0): np.sin(angle), (1, 1): np.cos(angle)}
    ),
    "shear_x": lambda shear, _: _places(shear, {(0, 1): shear}),
    "shear_y": lambda shear, _: _places(shear, {(1, 0): shear}),
    "shift_x": lambda share, size: _places(share, {(0, 2): share * size}),
    "shift_y": lambda share, size: _places(share, {(1, 2): share * size}),
}
