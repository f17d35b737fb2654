"""The training photos of a data set in a few large files on the local disk, each to be read by itself.

    records = write_records(rows, store, cache)
    records.read(records.indices(["9f86d0..."]))      # the JPEG bytes of these photos, in any order

A shard is a TFRecord file of about 100 MB whose records are plain JPEGs, so `tf.data.TFRecordDataset` reads it too.
Beside it lies an index: checksum of the photo, offset, length, CRC-32, height and width. Thousands of small files, or a
remote store, would be slower than any augmentation. Labels are no part of it: they go by the photo's checksum, so a
relabelled data set costs nothing.

Cost: 5 ms of CPU time and the size of its file a photo, once. Needs TensorFlow to write.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mushroom_tasks import imaging
from mushroom_tasks.errors import LearningError, StorageFull
from mushroom_tasks.learning.pixels import read_files
from mushroom_tasks.progress import Progress
from mushroom_tasks.storage import Store, fingerprint

RECORDS_VERSION = 1
SHARD_BYTES = 100 << 20
SIDE = 512  # pixels of the shorter side: iNaturalist's medium photos stay as they are, and 299 px still have room
QUALITY = 95  # of what is encoded anew
_BEFORE, _AFTER = 12, 4  # bytes around a record's content: its length with a checksum, and a checksum
_ENTRY = np.dtype(
    [("sha256", "S64"), ("offset", "i8"), ("length", "i8"), ("crc32", "u4"), ("height", "i4"), ("width", "i4")]
)


@dataclass(frozen=True)
class Records:
    """Shards, and where each photo is: in the order of `sha256`, sorted and unique.

    Attributes
    ----------
    shards
        Paths of the shards.
    entries
        Shape (N,); fields sha256, offset, length, crc32, height, width.
    shard
        Index into `shards` of each entry, shape (N,).
    """

    shards: tuple[Path, ...]
    entries: NDArray[np.void]
    shard: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.entries)

    def indices(self, sha256: Sequence[str]) -> NDArray[np.int64]:
        """Return where the photos with these checksums are; LearningError where one was never written."""
        wanted, known = np.asarray(sha256, dtype="S64"), self.entries["sha256"]
        found = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        if len(wanted) and not np.array_equal(known[found], wanted):
            raise LearningError("photos are asked for that are in no record; write the records of the whole table.")
        return found.astype(np.int64)

    def read(self, indices: NDArray[np.int64]) -> list[bytes]:
        """Return the JPEGs at these indices.

        Raises LearningError, naming the shard, where it is gone or its bytes are not those that were written.
        """
        files: dict[int, int] = {}
        try:
            return [self._read(int(index), files) for index in indices]
        finally:
            for file in files.values():
                os.close(file)

    def sizes(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (height, width) of the photos at these indices, in pixels: shape (len(indices), 2)."""
        chosen = self.entries[indices]
        return np.stack([chosen["height"], chosen["width"]], axis=1).astype(np.int64)

    def _read(self, index: int, files: dict[int, int]) -> bytes:
        entry, number = self.entries[index], int(self.shard[index])
        try:
            if number not in files:
                files[number] = os.open(self.shards[number], os.O_RDONLY)
            data = os.pread(files[number], int(entry["length"]), int(entry["offset"]))
        except OSError as error:
            raise LearningError(
                f"the records {self.shards[number]} cannot be read: {error}. Start the training again: they are "
                "written anew."
            ) from error
        if zlib.crc32(data) != entry["crc32"]:
            raise LearningError(
                f"the record of photo {entry['sha256'].decode()} in {self.shards[number]} is damaged. Delete that file "
                "and start the training again: it is written anew."
            )
        return data


def write_records(
    rows: pa.Table,
    store: Store,
    cache: Path,
    progress_folder: Path | None = None,
    *,
    shard_bytes: int = SHARD_BYTES,
) -> Records:
    """Write the photos of `rows` (columns sha256, path) once, and return where each is.

    They lie in `cache/records/<fingerprint>/`. A killed run goes on after its last whole shard; a shard that is gone or
    cut off is written anew, alone. Two runs that need the same records wait for each other.

    Raises LearningError for a photo that is gone or no longer decodes, or where there are no rows.
    """
    if rows.num_rows == 0:
        raise LearningError("there are no photos to write records of. Received: an empty table.")
    sha256, first = np.unique(np.asarray(rows["sha256"]).astype(str), return_index=True)
    paths = rows["path"].take(first).to_pylist()
    name = fingerprint(
        "records", version=RECORDS_VERSION, sha256=sha256.tolist(), side=SIDE, quality=QUALITY, shard_bytes=shard_bytes
    )
    folder = cache / "records" / name
    folder.mkdir(parents=True, exist_ok=True)
    with (
        (folder / "lock").open("ab") as lock,
        Progress("records", total=len(paths), unit="photos", folder=progress_folder) as progress,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        writer = _Writer(folder, sha256, paths, store, shard_bytes, progress)
        indexes = writer.write()
    shard = np.repeat(np.arange(len(indexes)), [len(index) for index in indexes])
    return Records(tuple(_shard(folder, number) for number in range(len(indexes))), np.concatenate(indexes), shard)


@dataclass(frozen=True)
class _Writer:
    folder: Path
    sha256: NDArray[np.str_]
    paths: list[str]
    store: Store
    shard_bytes: int
    progress: Progress

    def write(self) -> list[NDArray[np.void]]:
        """Write what is missing, and return the index of each shard."""
        indexes: list[NDArray[np.void]] = []
        done = 0
        while done < len(self.paths):
            index = self._finished(len(indexes), done)
            if index is None:
                index = self._write_shard(len(indexes), done)
            else:
                self.progress.resume(len(index))
            indexes.append(index)
            done += len(index)
        return indexes

    def _finished(self, number: int, start: int) -> NDArray[np.void] | None:
        """Return the index of a shard that is whole; None where it has to be written."""
        try:
            index = np.load(_index(self.folder, number), allow_pickle=False)
            size = _shard(self.folder, number).stat().st_size
        except (OSError, ValueError, EOFError):
            return None
        if index.dtype != _ENTRY or not len(index):
            return None
        is_whole = size == index["offset"][-1] + index["length"][-1] + _AFTER
        is_next = np.array_equal(index["sha256"], self.sha256[start : start + len(index)].astype("S64"))
        return index if is_whole and is_next else None

    def _write_shard(self, number: int, start: int) -> NDArray[np.void]:
        import tensorflow as tf

        target = _shard(self.folder, number)
        partial = target.with_suffix(".part")
        entries: list[tuple[str, int, int, int, int, int]] = []
        offset = 0
        try:
            with tf.io.TFRecordWriter(str(partial)) as writer:
                for place, (data, width, height) in self._photos(start):
                    writer.write(data)
                    sha256 = str(self.sha256[place])
                    entries.append((sha256, offset + _BEFORE, len(data), zlib.crc32(data), height, width))
                    offset += _BEFORE + len(data) + _AFTER
                    self.progress.advance()
                    if offset >= self.shard_bytes:
                        break
        except tf.errors.ResourceExhaustedError as error:
            raise StorageFull(
                f"no space left while writing {target}. Free some space or point MUSHROOM_HOME elsewhere, then run "
                "this again: what was finished is kept."
            ) from error
        _settle(partial, target)
        index = np.array(entries, _ENTRY)
        partial = _index(self.folder, number).with_suffix(".part")
        with partial.open("wb") as file:
            np.save(file, index)
        # The index last: a shard counts only with it.
        _settle(partial, _index(self.folder, number))
        return index

    def _photos(self, start: int) -> Iterator[tuple[int, tuple[bytes, int, int]]]:
        photos = read_files(
            self.store, self.paths[start:], lambda data: imaging.upright_jpeg(data, SIDE, quality=QUALITY)
        )
        for place, photo in photos:
            yield start + place, photo


def _shard(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.tfrecord"


def _index(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.index.npy"


def _settle(partial: Path, target: Path) -> None:
    """Give a file its name once its bytes are on the disk."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(target)
