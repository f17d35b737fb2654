"""Check a photo's bytes, and put them where they belong: the part of a download that is work and not waiting.

shelf = Shelf(PhotoStore(store), settings.download)
photo = shelf.keep("photos/medium/036/128036.jpg", 128036, data)     # or PhotoError with a reason
"""

from __future__ import annotations

import hashlib
import os
from threading import BoundedSemaphore

from mushroom_tasks import imaging
from mushroom_tasks.errors import PhotoError
from mushroom_tasks.photos import jpeg
from mushroom_tasks.photos.store import PhotoStore, small_path
from mushroom_tasks.photos.wanted import Photo
from mushroom_tasks.settings import DownloadSettings

_BRIEF = 1 << 18  # bytes that are hashed, looked through and written in less than a millisecond
_JPEG = b"\xff\xd8"


class Shelf:
    """Photos as training wants them: whole, of an allowed format and size, with a smaller copy if asked for.

    Threads may share it.
    """

    def __init__(self, store: PhotoStore, settings: DownloadSettings) -> None:
        self._store, self._size, self._side = store, settings.size, settings.small_side
        # A decoded photo takes up to 300 MB and a processor: threads that wait for a store may be many, these not.
        self._decoders = BoundedSemaphore(os.cpu_count() or 1)

    def kept(self, path: str, photo_id: int, known: Photo | None) -> Photo | None:
        """Return a photo that the store has whole already; its smaller copy is made anew where it is missing.

        What an earlier run knew of it is trusted where the files have the same size.
        """
        if known is not None and self._is_as_known(path, known):
            return known
        try:
            photo, small = self._check(path, photo_id, self._store.read(path))
        except (FileNotFoundError, PhotoError):
            return None
        self._keep_small(photo, small)
        return photo

    def keep_plain(self, path: str, data: bytes) -> Photo | None:
        """Store a photo in a folder if that takes less than the way to a thread; None where it does not.

        Plain are JPEGs that surely decode, of the size of a photo for training. A dozen of the calls that keep one
        give up and take back Python's one lock, which costs a thread more than it gains.
        """
        if self._side or not self._store.is_local or len(data) > _BRIEF or not data.startswith(_JPEG):
            return None
        found = jpeg.probe(data)
        if found is None:
            return None
        self._store.write(path, data)
        return _photo(path, data, found)

    def keep(self, path: str, photo_id: int, data: bytes) -> Photo:
        """Check a photo and store it, exactly as received; PhotoError where training could not read it."""
        photo, small = self._check(path, photo_id, data)
        # First: where the photo is, its copy is too.
        self._keep_small(photo, small)
        self._store.write(path, data)
        return photo

    def _is_as_known(self, path: str, known: Photo) -> bool:
        return (
            known.path == path
            and self._store.size(path) == known.bytes
            and (known.small_path is None or bool(self._store.size(known.small_path)))
        )

    def _check(self, path: str, photo_id: int, data: bytes) -> tuple[Photo, bytes | None]:
        with self._decoders:
            small = imaging.smaller(data, self._side) if self._side else None
            found = imaging.header(data) if small else _probe(data)
        photo = _photo(path, data, found)
        if small is None:
            return photo, None
        place = small_path(self._size, self._side, photo_id)
        return photo._replace(small_path=place, small_sha256=hashlib.sha256(small).hexdigest()), small

    def _keep_small(self, photo: Photo, small: bytes | None) -> None:
        if photo.small_path is not None and small is not None:
            self._store.write(photo.small_path, small)


def _photo(path: str, data: bytes, found: tuple[str, int, int]) -> Photo:
    name, width, height = found
    return Photo(path, hashlib.sha256(data).hexdigest(), len(data), width, height, name)


def _probe(data: bytes) -> tuple[str, int, int]:
    plain = jpeg.probe(data) if data.startswith(_JPEG) else None
    return plain or imaging.probe(data)
