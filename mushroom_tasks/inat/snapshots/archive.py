"""Take the four tables out of an archive as iNaturalist publishes them below `metadata/`.

Such an archive is a gzipped tar of one folder with plain tab-separated files: `inaturalist-open-data-20250927/
photos.csv` and so on. Each table is packed again one by one, so that the store holds it like a root file; nothing is
unpacked to the disk, and no name out of the archive is ever used as a path. Packing with ISA-L at level 1 gives files
as small as zlib's at level 6, in a fifth of its time.

    contents = unpack(Path("inaturalist-open-data-latest.tar.gz"), folder, max_expansion=50, progress=progress)
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from isal import igzip_lib, igzip_threaded

from mushroom_tasks.errors import SnapshotDamaged
from mushroom_tasks.inat.snapshots.gzip_check import ADVICE, Content, GzipCheck, require_modest
from mushroom_tasks.inat.tables import TABLES
from mushroom_tasks.progress import Progress
from mushroom_tasks.storage import full_disk_named

logger = logging.getLogger(__name__)

_PIECE = 1 << 20
_LARGEST_HEADER = 1 << 20  # bytes; tarfile reads extended headers, of whatever size they claim, into memory
_MOST_MEMBERS = 1000  # tarfile remembers every member
_MEMBERS = {f"{name}.csv{packed}": f"{name}.csv.gz" for name in TABLES for packed in ("", ".gz")}


def unpack(archive: Path, folder: Path, *, max_expansion: float, progress: Progress) -> dict[str, Content]:
    """Write the four tables of an archive into `folder` as `taxa.csv.gz` and so on; return what each holds.

    `progress` counts bytes of the archive. Raises SnapshotDamaged where the archive is damaged or cut off, lacks a
    table or has one twice, holds links, devices or names that leave the folder, or unpacks to more than
    `max_expansion` times its size; StorageFull. Regular files that are no table are passed over.
    """
    found: dict[str, Content] = {}
    folder.mkdir(parents=True, exist_ok=True)
    with archive.open("rb") as packed, _explained(archive.name):
        stream = _Unpacked(packed, archive.name, max_expansion, progress)
        try:
            for member, name in _tables(stream, archive.name):
                if name in found:
                    raise SnapshotDamaged(f"{archive.name} holds {name} twice, again as {member.name!r}. {ADVICE}")
                progress.advance(0, unpacking=name)
                if member.name.endswith(".gz"):
                    found[name] = _copy(stream, member.size, folder / name, max_expansion)
                else:
                    found[name] = _pack(stream, member.size, folder / name)
            stream.drain()
        finally:
            stream.close()
    missing = sorted({table.file for table in TABLES.values()} - found.keys())
    if missing:
        raise SnapshotDamaged(f"{archive.name} lacks {', '.join(missing)}. It holds: {sorted(found) or 'no table'}.")
    return found


def _tables(stream: _Unpacked, archive: str) -> Iterator[tuple[tarfile.TarInfo, str]]:
    """Yield the members that are tables, the stream standing at the content of each."""
    tar = tarfile.TarFile(fileobj=stream, mode="r")  # type: ignore[arg-type]
    while (member := tar.next()) is not None:
        if len(tar.members) > _MOST_MEMBERS:  # type: ignore[attr-defined]
            raise SnapshotDamaged(f"{archive} has more than {_MOST_MEMBERS} members; four tables are expected.")
        _require_harmless(member, archive)
        path = PurePosixPath(member.name)
        if member.isreg() and path.name in _MEMBERS and len(path.parts) <= 2:
            yield member, _MEMBERS[path.name]
        elif member.isreg():
            logger.warning("%s: %r is no table of the snapshot, it is passed over", archive, member.name)


def _require_harmless(member: tarfile.TarInfo, archive: str) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
        raise SnapshotDamaged(
            f"{archive} is hostile: it has a member whose name leaves the archive's folder. Received: {member.name!r}. "
            "Nothing of it enters the store: set another source."
        )
    if member.size < 0:
        raise SnapshotDamaged(f"{archive} is hostile: {member.name!r} has {member.size} bytes. Set another source.")
    if not (member.isreg() or member.isdir()) or member.issparse():
        kind = "link" if member.issym() or member.islnk() else "device, pipe or sparse file"
        raise SnapshotDamaged(
            f"{archive} is hostile: {member.name!r} is a {kind}; an archive of tables has regular files alone. "
            "Nothing of it enters the store: set another source."
        )


def _pack(stream: _Unpacked, count: int, target: Path) -> Content:
    sha = hashlib.sha256()
    with full_disk_named(str(target)), igzip_threaded.open(target, "wb", compresslevel=1, threads=1) as out:
        for piece in stream.pieces(count):
            sha.update(piece)
            out.write(piece)
    return Content(sha.hexdigest(), target.stat().st_size)


def _copy(stream: _Unpacked, count: int, target: Path, max_expansion: float) -> Content:
    check = GzipCheck(target.name, max_expansion)
    with full_disk_named(str(target)), target.open("wb") as out:
        for piece in stream.pieces(count):
            check.update(piece)
            out.write(piece)
    return check.finish()


class _Unpacked:
    """The tar inside the gzip file, as tarfile reads it: forwards only, with bounds on what one step may take."""

    def __init__(self, packed: IO[bytes], name: str, max_expansion: float, progress: Progress) -> None:
        self._packed, self._name, self._max_expansion, self._progress = packed, name, max_expansion, progress
        self._file = igzip_threaded.open(packed, "rb", threads=1)
        self._position = self._shown = 0

    def tell(self) -> int:
        return self._position

    def read(self, count: int) -> bytes:
        if not 0 <= count <= _LARGEST_HEADER:
            raise SnapshotDamaged(f"{self._name} is hostile: it has a header of {count} bytes. Set another source.")
        data: bytes = self._file.read(count)
        self._position += len(data)
        packed = self._packed.tell()
        require_modest(self._name, packed, self._position, self._max_expansion)
        self._progress.advance(packed - self._shown)
        self._shown = packed
        return data

    def seek(self, position: int) -> None:
        if position < self._position:
            raise SnapshotDamaged(f"{self._name} is hostile: a member has a negative size. Set another source.")
        for _ in self.pieces(position - self._position):
            pass

    def pieces(self, count: int) -> Iterator[bytes]:
        """Yield the next `count` bytes."""
        while count > 0:
            piece = self.read(min(count, _PIECE))
            if not piece:
                raise SnapshotDamaged(
                    f"{self._name} is cut off inside a member, {count} bytes before its end. {ADVICE}"
                )
            count -= len(piece)
            yield piece

    def drain(self) -> None:
        """Read to the end, where the CRC is."""
        while self.read(_PIECE):
            pass

    def close(self) -> None:
        self._file.close()


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, gzip.BadGzipFile, igzip_lib.IsalError, EOFError, ValueError, RecursionError) as error:
        # ValueError and RecursionError: what tarfile makes of headers that were written to break it.
        raise SnapshotDamaged(
            f"{name} is damaged or no tar archive: {type(error).__name__}: {error}. {ADVICE}"
        ) from error
