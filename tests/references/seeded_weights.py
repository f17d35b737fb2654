"""Weights and an image that are the same on every machine, in PyTorch's environment and in ours; numpy alone.

A network with these weights is compared with the same network in timm: the file of references holds what timm
answered, and never a weight.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray


def tensor(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return random weights drawn from the tensor's name, of a size at which activations neither vanish nor explode.

    RandomState, because numpy promises its stream for ever.
    """
    drawn = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("running_var"):
        return (0.5 + np.abs(drawn)).astype(np.float32)
    if len(shape) > 1:
        return (drawn * np.sqrt(1.5 / np.prod(shape[1:]))).astype(np.float32)
    return ((1 if name.endswith("weight") else 0) + 0.2 * drawn).astype(np.float32)


def image(size: int) -> NDArray[np.float32]:
    """Return waves and a ramp as float32 pixels 0..255 of shape (1, size, size, 3)."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    red = 127.5 + 127.5 * np.sin(x / 9 + y / 31)
    blue = 127.5 + 127.5 * np.cos(y / 7 - x / 43)
    return np.stack([red, (x + y) * 255 / 446, blue], axis=-1)[None].astype(np.float32)
