"""Files under way on the local disk: what is there already, whose it is, and who is writing it.

A file under way has a note with the validators of the publication that it belongs to. What a killed
process wrote stays, and is gone on with as long as the source still publishes the same file.

    with held(folder):
        part = PartialFile(folder / "photos.csv.gz", folder / "photos.csv.gz.json")
        part.claim(seen)                     # how many bytes of this publication are there
        with part.open_end() as file: ...
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from mushroom_tasks.errors import StorageError
from mushroom_tasks.progress import size
from mushroom_tasks.storage import full_disk_named

logger = logging.getLogger(__name__)

_LOCK = "lock"


class PartialFile:
    """One file under way.

    Parameters
    ----------
    path, note
        Where it is written, and where the validators of its publication are.
    """

    def __init__(self, path: Path, note: Path) -> None:
        self.path, self._note = path, note

    @property
    def received(self) -> int:
        """How many bytes are there; 0 where the file is missing."""
        return self.path.stat().st_size if self.path.exists() else 0

    def claim(self, seen: Mapping[str, Any]) -> int:
        """Return how many bytes of the publication `seen` are there; what is left of another one is deleted."""
        if self.received and not self._is_of(seen):
            logger.warning(
                "%s: nothing proves that the %s here are of the file that the source publishes now; starting over",
                self.path.name,
                size(self.received),
            )
            self.clear()
        if not self.received:
            # Noted before the first byte: a file without a note would belong to nobody.
            for folder in (self.path.parent, self._note.parent):
                folder.mkdir(parents=True, exist_ok=True)
            with full_disk_named(str(self._note)):
                self._note.write_text(json.dumps(dict(seen)), encoding="utf-8")
        return self.received

    def clear(self) -> None:
        """Delete the bytes; the next `claim` finds none."""
        self.path.unlink(missing_ok=True)

    def open(self) -> IO[bytes]:
        """Open what is there for reading."""
        return self.path.open("rb")

    def open_end(self) -> IO[bytes]:
        """Open for writing after the last byte, unbuffered: what was written outlives the process."""
        return self.path.open("ab", buffering=0)

    def _is_of(self, seen: Mapping[str, Any]) -> bool:
        # A size alone proves nothing: two publications may have the same.
        if not seen.keys() - {"size"} or "size" not in seen:
            return False
        try:
            return bool(json.loads(self._note.read_text(encoding="utf-8")) == dict(seen))
        except (OSError, ValueError):
            return False


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder for this process alone; the system lets go of it when the process ends, however it ends.

    Raises StorageError where another process holds it.
    """
    descriptor = _lock(folder)
    if descriptor is None:
        raise StorageError(
            f"another process fetches this snapshot already, and holds {folder}. Wait for it to end: what it fetched "
            "is used then."
        )
    try:
        yield
    finally:
        os.close(descriptor)


def is_held(folder: Path) -> bool:
    """Tell whether a process holds a folder."""
    if not (folder / _LOCK).exists():
        return False
    descriptor = _lock(folder)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def _lock(folder: Path) -> int | None:
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # who held it before deleted the folder with the file: there may be a new one
