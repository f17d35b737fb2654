"""Pictures that look a little like photos: patches of all sizes, or a subject before a background."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Size = tuple[int, int]


def scenery(seed: int, size: Size = (500, 375), sharp: bool = True) -> Image.Image:
    """Patches of light and colour of all sizes, as in a forest; without the small ones it is out of focus."""
    rng = np.random.default_rng(seed)
    width, height = size
    pixels = np.zeros((height, width, 3))
    for cells in (3, 6, 12, 25, 50, 100, 200) if sharp else (3, 6, 12):
        small = (rng.random((max(2, cells * height // width), cells, 3)) * 255).astype(np.uint8)
        pixels += (np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC), float) - 127) / 2.2
    return Image.fromarray(np.clip(pixels + 110, 0, 255).astype(np.uint8))


def in_focus(subject: Image.Image, ground: Image.Image, share: float) -> Image.Image:
    """A round part of one picture, of this share of the area, in the middle of another of the same size."""
    width, height = ground.size
    radius = (share * width * height / np.pi) ** 0.5
    y, x = np.mgrid[:height, :width]
    is_inside: NDArray[np.bool_] = (x - width / 2) ** 2 + (y - height / 2) ** 2 < radius**2
    return Image.composite(subject, ground, Image.fromarray(is_inside))


def plain(grey: int, size: Size = (500, 375)) -> Image.Image:
    return Image.new("RGB", size, (grey, grey, grey))
