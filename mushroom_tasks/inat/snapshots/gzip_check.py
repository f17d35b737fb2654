"""Follow a gzip file while it streams by: whether it is whole, and what is in it.

The content is hashed unpacked, so that a root file, a mirror's copy packed at another level, and the same table
out of an archive all give the same hash. Nothing is kept: memory is a few MiB whatever the file's size.

    check = GzipCheck("photos.csv.gz", max_expansion=50)
    check.update(block)
    check.finish()                                  # Content(sha256="...", bytes=19600000000)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from isal import igzip_lib, isal_zlib

from mushroom_tasks.errors import SnapshotDamaged
from mushroom_tasks.progress import size

_PIECE = 1 << 20
_FREE_EXPANSION = 64 << 20  # bytes that even a small file may unpack to: a table of one value packs very well
ADVICE = "The file is damaged where it comes from: try again later, or set another source."


@dataclass(frozen=True)
class Content:
    """What a gzip file holds: the sha256 of the unpacked content as hex, and the packed size in bytes."""

    sha256: str
    bytes: int


class GzipCheck:
    """Checks a gzip file block by block.

    Raises SnapshotDamaged where the file is no gzip file, is cut off, fails a member's CRC or length, or unpacks to
    more than `max_expansion` times its size (a decompression bomb).
    """

    def __init__(self, name: str, max_expansion: float) -> None:
        self.name, self.bytes, self._unpacked, self._max_expansion = name, 0, 0, max_expansion
        self._sha = hashlib.sha256()
        self._member: Any = None  # the decompressor of the gzip member under way

    def update(self, block: bytes) -> None:
        """Take the next bytes of the file."""
        if self.bytes == 0 and not b"\x1f\x8b".startswith(block[:2]):
            raise SnapshotDamaged(f"{self.name} is no gzip file. It begins with {block[:60]!r}. {ADVICE}")
        self.bytes += len(block)
        try:
            self._inflate(block)
        except igzip_lib.IsalError as error:
            raise SnapshotDamaged(
                f"{self.name} is damaged within its first {self.bytes} bytes: {error}. {ADVICE}"
            ) from error

    def finish(self) -> Content:
        """Return what the file holds, where it is whole."""
        if self.bytes == 0:
            raise SnapshotDamaged(f"{self.name} is empty: 0 bytes received. {ADVICE}")
        if self._member is not None:
            raise SnapshotDamaged(
                f"{self.name} is cut off in the middle of a gzip member, after {self.bytes} bytes. {ADVICE}"
            )
        return Content(self._sha.hexdigest(), self.bytes)

    def _inflate(self, block: bytes) -> None:
        while block:
            if self._member is None:
                block = block.lstrip(b"\0")  # gzip allows zeros as padding between members
                if not block:
                    return
                self._member = isal_zlib.decompressobj(wbits=31)
            self._take(self._member.decompress(block, _PIECE))
            while not self._member.eof and self._member.unconsumed_tail:
                self._take(self._member.decompress(self._member.unconsumed_tail, _PIECE))
            block = self._member.unused_data
            if self._member.eof:
                self._member = None

    def _take(self, piece: bytes) -> None:
        self._sha.update(piece)
        self._unpacked += len(piece)
        require_modest(self.name, self.bytes, self._unpacked, self._max_expansion)


def require_modest(name: str, packed: int, unpacked: int, max_expansion: float) -> None:
    """Raise SnapshotDamaged where `packed` bytes have become far too many `unpacked` ones."""
    if unpacked > max(_FREE_EXPANSION, packed * max_expansion):
        raise SnapshotDamaged(
            f"{name} looks like a decompression bomb: {size(packed)} unpack to {size(unpacked)} and more, over "
            f"{max_expansion:g} times as much. Set another source; where the file is right, raise the setting "
            "`source_access.max_expansion`."
        )
