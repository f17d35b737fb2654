"""Decode, orient, crop and resize photos: the one place, so that training and the phone see the same pixels.

`decode` treats every file as hostile: the format is told by content, never by name, only a few decoders are
allowed, and a size limit is checked before pixels are allocated.

    pixels = model_input(decode(data), 224)      # uint8, (224, 224, 3)
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from mushroom_tasks.errors import PhotoError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
MAX_PIXELS = 100_000_000
_HTML_STARTS = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<error")


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Return a photo as an upright RGB image.

    EXIF orientation is applied; grey, CMYK, palette and alpha images become RGB (alpha over white).

    Raises
    ------
    PhotoError
        With reason `empty`, `html`, `not_an_image`, `too_large` or `truncated`.
    """
    image = _open(data, max_pixels)
    try:
        image.load()
        upright = ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, IndexError, EOFError, Image.DecompressionBombError) as error:
        raise PhotoError("truncated", f"the {image.format} data breaks off or is damaged: {error}") from error
    return _to_rgb(upright)


def probe(data: bytes, *, max_pixels: int = MAX_PIXELS) -> tuple[str, int, int]:
    """Return (format, width, height) in pixels after orientation, from a full decode.

    Raises PhotoError as `decode` does: a photo that passes here will not fail in training.
    """
    name = str(_open(data, max_pixels).format)
    image = decode(data, max_pixels=max_pixels)
    return name, image.width, image.height


def model_input(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Return the centre square of an image, `size` x `size` pixels, as uint8 of shape (size, size, 3).

    The crop comes first and the resize (bilinear, antialiased) after, so the phone can do the same with a
    camera frame in one draw call.
    """
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    resized = image.resize((size, size), Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
    return np.asarray(resized, dtype=np.uint8)


def _open(data: bytes, max_pixels: int) -> Image.Image:
    if not data:
        raise PhotoError("empty", "the file is empty (0 bytes)")
    if data.lstrip()[:9].lower().startswith(_HTML_STARTS):
        raise PhotoError("html", f"the file is a web page, not a photo. It starts: {data[:40]!r}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise PhotoError("too_large", f"{error}") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise PhotoError("not_an_image", f"no {'/'.join(FORMATS)} header in {len(data)} bytes: {error}") from error
    if image.width * image.height > max_pixels:
        raise PhotoError("too_large", f"{image.width} x {image.height} pixels, more than {max_pixels} allowed")
    return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")
