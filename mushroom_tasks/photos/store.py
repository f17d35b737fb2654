"""Where a photo lies in the store, and how it gets there.

Photos are named by size and `photo_id`, so every selection of that size shares them, and spread over 1,000 folders,
so no folder grows too large to list. The smaller copy that training may read lies beside them by the same rule.

    photo_path("medium", 128036, "jpg")      # "photos/medium/036/128036.jpg"
    small_path("medium", 256, 128036)        # "photos/medium-256/036/128036.jpg"
    PhotoStore(store).write("photos/medium/036/128036.jpg", data)
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from mushroom_tasks.errors import PhotoError
from mushroom_tasks.identifiers import folder_number
from mushroom_tasks.settings import PhotoSize
from mushroom_tasks.storage import Store, full_disk_named

ROOT = "photos"
_INCOMING = ".incoming"  # below the store's root: what is being written
_LEFT_OVER = 86_400.0  # seconds after which a file there is what a killed run has left
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_EXTENSION = re.compile(r"[A-Za-z0-9]{1,8}")


def photo_path(size: PhotoSize, photo_id: int, extension: str) -> str:
    """Return a photo's path relative to the store root.

    `extension` is upstream's, kept as it is although it may not tell the format. It comes from a table that
    anybody could have written, so one that is no plain file extension raises PhotoError (`not_an_image`).
    """
    if not _EXTENSION.fullmatch(extension):
        raise PhotoError("not_an_image", f"the photo's extension is no file extension. Received: {extension!r}")
    return f"{ROOT}/{size}/{folder_number(photo_id)}/{photo_id}.{extension}"


def small_path(size: PhotoSize, side: int, photo_id: int) -> str:
    """Return the path, relative to the store root, of a photo's JPEG copy with a shorter side of `side` pixels."""
    return f"{ROOT}/{size}-{side}/{folder_number(photo_id)}/{photo_id}.jpg"


def are_stored(store: Store, paths: Iterable[str]) -> bool:
    """Tell whether all these files are in the store.

    On a local disk each is looked for; elsewhere folders are listed, a thousand requests for any number of photos.
    """
    if store.is_local:
        return all(os.path.exists(store.path(path)) for path in paths)  # noqa: PTH110
    names = lru_cache(maxsize=None)(lambda folder: frozenset(store.list(folder)))
    return all(name in names(folder) for folder, _, name in (path.rpartition("/") for path in paths))


class PhotoStore:
    """Photos in a store: many small files, each written whole or not at all. Threads may share it.

    It does without what `Store.open_atomic` does for every file: a look for its folder, and a sync to the disk. A
    photo that is lost with the machine's power is noticed and fetched again; a sync per photo would cost more than
    its download, and a `Path` more than the call it is made for.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.root, self.is_local = store.root, store.is_local
        self._incoming = store.path(_INCOMING)

    def tidy(self) -> None:
        """Delete what killed runs were writing when they were killed."""
        if self.is_local:
            for path in Path(self._incoming).glob("*"):
                with suppress(OSError):
                    if path.stat().st_mtime < time.time() - _LEFT_OVER:
                        path.unlink()

    def size(self, path: str) -> int | None:
        """Return a photo's size in bytes; None where it is missing."""
        try:
            return os.stat(self._store.path(path)).st_size if self.is_local else self._store.size(path)  # noqa: PTH116
        except FileNotFoundError:
            return None

    def read(self, path: str) -> bytes:
        """Return a photo's bytes; FileNotFoundError where it is missing."""
        return self._store.read_bytes(path)

    def write(self, path: str, data: bytes) -> None:
        """Write a photo; StorageFull where no space is left."""
        target = self._store.path(path)
        with full_disk_named(target):
            if self.is_local:
                self._write_file(target, data)
            else:
                self._store.fs.pipe_file(target, data)

    def _write_file(self, target: str, data: bytes) -> None:
        # All in one folder first: there `tidy` finds what killed runs have left.
        temporary = f"{self._incoming}/{target.rpartition('/')[2]}.{uuid.uuid4().hex[:8]}"
        try:
            _write_new(temporary, data)
            try:
                os.replace(temporary, target)  # noqa: PTH105
            except FileNotFoundError:
                Path(target).parent.mkdir(parents=True, exist_ok=True)
                Path(temporary).replace(target)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise


def _write_new(path: str, data: bytes) -> None:
    try:
        file = os.open(path, _NEW, 0o666)
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, _NEW, 0o666)
    with open(file, "wb", buffering=0) as out:
        left = memoryview(data)
        while left:
            left = left[out.write(left) :]
