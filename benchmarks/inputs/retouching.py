"""What happens to a photo between two uploads, and what makes one useless; for tests too."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

from PIL import Image, ImageEnhance, ImageFilter, ImageOps


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    """Return a photo after a JPEG of this quality."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def resized(image: Image.Image, factor: float) -> Image.Image:
    """Return a photo whose sides are so many times as long."""
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)


def cropped(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Return a photo without these shares of its sides."""
    width, height = image.size
    return image.crop(
        (round(width * left), round(height * top), round(width * (1 - right)), round(height * (1 - bottom)))
    )


def blurred(image: Image.Image, radius: float) -> Image.Image:
    """Return a photo that is out of focus: every point a Gaussian with this standard deviation in pixels."""
    return image.filter(ImageFilter.GaussianBlur(radius))


def dimmed(image: Image.Image, factor: float) -> Image.Image:
    """Return a photo with this share of its light."""
    return image.point(lambda value: int(value * factor))


CHANGES: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG of quality 40": lambda image: recompressed(image, 40),
    "half the size": lambda image: recompressed(resized(image, 0.5), 85),
    "a fifth brighter": lambda image: recompressed(ImageEnhance.Brightness(image).enhance(1.2), 85),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "mirrored": lambda image: recompressed(ImageOps.mirror(image), 85),
    "2 % cropped all round": lambda image: recompressed(cropped(image, 0.02, 0.02, 0.02, 0.02), 85),
    "5 % cropped all round": lambda image: recompressed(cropped(image, 0.05, 0.05, 0.05, 0.05), 85),
    "5 % cropped at one side": lambda image: recompressed(cropped(image, 0.05, 0, 0, 0), 85),
}
