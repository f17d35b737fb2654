"""From a drawn image to the bytes of a bucket's file, whole or broken in the ways that real ones are.

encode(image, "")            # a JPEG, as medium.jpg usually is
encode(image, "truncated")   # the first part of one
UNDRAWN["html"]              # what is found where there is no photo at all
"""

from __future__ import annotations

import io

from PIL import Image

_QUALITY = 88
_ORIENTATION_TAG = 0x0112
_ROTATED_90_CLOCKWISE = 6  # the camera was held on its side: turn by 90 degrees clockwise to see it upright
_KEPT_OF_TRUNCATED = 0.55
_HTML = b"<!DOCTYPE html>\n<html><head><title>503 Service Unavailable</title></head><body>Slow down.</body></html>\n"

# Faults that leave nothing of a photo: the bytes of the file, None for no file.
UNDRAWN: dict[str, bytes | None] = {"missing": None, "empty": b"", "html": _HTML}


def encode(image: Image.Image, fault: str) -> bytes:
    """Return the bytes of a photo's file; `fault` is "", "png", "exif", "cmyk", "gray" or "truncated"."""
    if fault == "png":
        return _save(image, "PNG")
    if fault == "exif":
        exif = Image.Exif()
        exif[_ORIENTATION_TAG] = _ROTATED_90_CLOCKWISE
        return _save(image.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)
    if fault in ("cmyk", "gray"):
        return _save(image.convert("CMYK" if fault == "cmyk" else "L"), "JPEG")
    whole = _save(image, "JPEG")
    return whole[: int(len(whole) * _KEPT_OF_TRUNCATED)] if fault == "truncated" else whole


def _save(image: Image.Image, name: str, exif: Image.Exif | None = None) -> bytes:
    buffer = io.BytesIO()
    options = {"quality": _QUALITY} if name == "JPEG" else {"compress_level": 3}
    image.save(buffer, name, **options, **({"exif": exif} if exif else {}))
    return buffer.getvalue()
