"""Pictures that look a little like photos: patches of all sizes, or a subject before a background."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

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


def dimmed(picture: Image.Image, factor: float) -> Image.Image:
    return picture.point(lambda value: int(value * factor))


def blurred(picture: Image.Image, radius: float) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(radius))


def recompressed(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def resized(picture: Image.Image, factor: float) -> Image.Image:
    return picture.resize((round(picture.width * factor), round(picture.height * factor)), Image.Resampling.BICUBIC)


def cropped(picture: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """A picture without these shares of its sides."""
    width, height = picture.size
    return picture.crop(
        (round(width * left), round(height * top), round(width * (1 - right)), round(height * (1 - bottom)))
    )
