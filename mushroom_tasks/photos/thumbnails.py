"""Small copies of stored photos for people to look at: made when first asked for, then kept.

They lie in the store by the rule that photos follow, so that what is withdrawn at iNaturalist is deleted in every size.
A copy is always made anew from the pixels: nothing of a stranger's file but its picture reaches a browser.

    data = thumbnail(store, 128036, "photos/medium/036/128036.jpg", sha256, GRID_SIDE)      # a JPEG
"""

from __future__ import annotations

import io
from contextlib import suppress
from threading import BoundedSemaphore

from PIL import Image

from mushroom_tasks import imaging
from mushroom_tasks.identifiers import folder_number
from mushroom_tasks.photos.store import PhotoStore
from mushroom_tasks.storage import Store

ROOT = "thumbnails"
GRID_SIDE = 320  # pixels of the shorter side: sharp in a grid on a screen of double density
LARGE_SIDE = 1080
_QUALITY = 82
_CONTENT = 16  # digits of the content's hash that a name carries
# A photo may have 89 million pixels: two at once take 0.5 GB.
_DECODING = BoundedSemaphore(2)


def thumbnail_path(side: int, photo_id: int, sha256: str) -> str:
    """Return a copy's path relative to the store root; another content of the same photo has another one."""
    return f"{ROOT}/{side}/{folder_number(photo_id)}/{photo_id}.{sha256[:_CONTENT]}.jpg"


def thumbnail(store: Store, photo_id: int, path: str, sha256: str, side: int) -> bytes:
    """Return a photo as an upright RGB JPEG whose shorter side has `side` pixels at most.

    Read from the store where it has been made before; otherwise made of the photo at `path` and kept. Threads may call
    it at once.

    Raises
    ------
    PhotoError
        The photo cannot be decoded.
    FileNotFoundError
        The photo is not in the store (any more); no copy of it is kept then.
    """
    kept = thumbnail_path(side, photo_id, sha256)
    with suppress(FileNotFoundError):
        return store.read_bytes(kept)
    photos = PhotoStore(store)
    with _DECODING:  # read inside: who waits holds no bytes
        data = store.read_bytes(path)
        small = imaging.smaller(data, side, quality=_QUALITY) or _encoded(imaging.decode(data))
    photos.write(kept, small)
    # Withdrawn in between? `withdrawal.delete` deletes photos before it lists copies: one of the two sees this copy.
    if photos.size(path) is None:
        store.delete(kept)
        raise FileNotFoundError(path)
    return small


def _encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
