"""Decode, orient, crop and resize photos: the one place, so that training and the phone see the same pixels.

`decode` treats every file as hostile: the format is told by content, never by name, only a few decoders are
allowed, and a size limit is checked before pixels are allocated.

    pixels = model_input(decode(data), 224)      # uint8, (224, 224, 3)
"""

from __future__ import annotations

import io
import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from mushroom_tasks.errors import PhotoError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
SMALL_QUALITY = 90  # JPEG quality of smaller copies: what it takes away, a resize for training hides
MAX_PIXELS = 89_000_000  # just below where Pillow itself begins to warn
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_ORIENTATION = 0x0112  # EXIF tag
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)  # orientations that swap width and height
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
    _load(image)
    return _to_rgb(_upright(image, _orientation(image)))


def probe(data: bytes, *, max_pixels: int = MAX_PIXELS) -> tuple[str, int, int]:
    """Return (format, width, height) in pixels after orientation, from a full decode.

    Raises PhotoError as `decode` does: a photo that passes here will not fail in training.
    """
    found = header(data, max_pixels=max_pixels)
    decode(data, max_pixels=max_pixels)
    return found


def header(data: bytes, *, max_pixels: int = MAX_PIXELS) -> tuple[str, int, int]:
    """Return (format, width, height) in pixels after orientation, from the file's header alone.

    Raises PhotoError as `decode` does, but for what only its pixels tell (`truncated`).
    """
    image = _open(data, max_pixels)
    width, height = image.size[::-1] if _orientation(image) in _SIDEWAYS else image.size
    return _name(image), width, height


def smaller(data: bytes, side: int, *, quality: int = SMALL_QUALITY, max_pixels: int = MAX_PIXELS) -> bytes | None:
    """Return a copy whose shorter side has `side` pixels, as an upright RGB JPEG; None where it is no larger anyway.

    Cheap: a JPEG is decoded at the smallest scale that is still large enough. Raises PhotoError as `decode` does.
    """
    image = _open(data, max_pixels)
    if min(image.size) <= side:
        return None
    scale = side / min(image.size)
    size = round(image.width * scale), round(image.height * scale)
    # Twice as large as needed at the least, so that the resize and not the decoder makes the pixels.
    image.draft(None, (2 * size[0], 2 * size[1]))
    _load(image)
    small = _to_rgb(image).resize(size, Image.Resampling.HAMMING, reducing_gap=2.0)
    buffer = io.BytesIO()
    _upright(small, _orientation(image)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def upright_jpeg(data: bytes, side: int, *, quality: int, max_pixels: int = MAX_PIXELS) -> tuple[bytes, int, int]:
    """Return (JPEG, width, height) of a photo as any decoder of plain JPEGs sees it: upright, RGB, not too large.

    What is all that already, its shorter side at most `side` pixels, stays byte for byte. Decodes every photo whole,
    so that what passes here will decode elsewhere; raises PhotoError as `decode` does.
    """
    image = _open(data, max_pixels)
    is_plain = image.format == "JPEG" and image.mode == "RGB" and _orientation(image) not in _UPRIGHT
    _load(image)
    if is_plain and min(image.size) <= side:
        return data, image.width, image.height
    upright = _to_rgb(_upright(image, _orientation(image)))
    if (scale := side / min(upright.size)) < 1:
        size = round(upright.width * scale), round(upright.height * scale)
        upright = upright.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0)
    buffer = io.BytesIO()
    upright.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue(), upright.width, upright.height


def square(data: bytes, side: int, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Return the middle square of a photo, `side` x `side` pixels, as an upright RGB image for people to look at.

    Cheap as `smaller` is, and raises PhotoError as `decode` does.
    """
    image = _open(data, max_pixels)
    orientation = _orientation(image)
    image.draft(None, (side, side))
    _load(image)
    box = _middle_square(image)
    small = _to_rgb(image).resize((side, side), Image.Resampling.HAMMING, box=box, reducing_gap=2.0)
    return _upright(small, orientation)


def model_input(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Return the centre square of an image, `size` x `size` pixels, as uint8 of shape (size, size, 3).

    The crop comes first and the resize (bilinear, antialiased) after, so the phone can do the same with a
    camera frame in one draw call.
    """
    box = _middle_square(image)
    resized = image.resize((size, size), Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
    return np.asarray(resized, dtype=np.uint8)


def _middle_square(image: Image.Image) -> tuple[float, float, float, float]:
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    return left, top, left + side, top + side


def _open(data: bytes, max_pixels: int) -> Image.Image:
    if not data:
        raise PhotoError("empty", "the file is empty (0 bytes)")
    if data.lstrip()[:9].lower().startswith(_HTML_STARTS):
        raise PhotoError("html", f"the file is a web page, not a photo. It starts: {data[:40]!r}")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except _BOMB as error:
        raise PhotoError("too_large", f"{error}") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise PhotoError("not_an_image", f"no {'/'.join(FORMATS)} header in {len(data)} bytes: {error}") from error
    if image.width * image.height > max_pixels:
        raise PhotoError("too_large", f"{image.width} x {image.height} pixels, more than {max_pixels} allowed")
    return image


def _name(image: Image.Image) -> str:
    # MPO is a JPEG with further pictures in it, as some phones make them.
    return "JPEG" if image.format == "MPO" else str(image.format)


def _load(image: Image.Image) -> None:
    try:
        image.load()
    except (OSError, SyntaxError, ValueError, IndexError, EOFError, *_BOMB) as error:
        raise PhotoError("truncated", f"the {image.format} data breaks off or is damaged: {error}") from error


def _orientation(image: Image.Image) -> object:
    try:
        return image.getexif().get(_ORIENTATION)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, struct.error):
        return None  # damaged EXIF is common in old photos, and the pixels are whole


def _upright(image: Image.Image, orientation: object) -> Image.Image:
    # Not ImageOps.exif_transpose: it also writes the EXIF block anew, which fails on values of a wrong type.
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow would clip 16-bit grey at 255, which leaves an almost white image.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
