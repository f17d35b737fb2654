"""Photos of the store as model inputs: read in parallel, and prepared once on the local disk.

    for index, look in read_images(store, paths, look): ...             # whatever `look` makes of each, in order
    for index, pixels in read_pixels(store, paths, size=224): ...       # uint8 (224, 224, 3), in order
    prepared = prepare(rows, store, cache, size=224)                    # uint8 (N, 224, 224, 3), memory-mapped

Every photo goes through `imaging.decode` and `imaging.model_input`, so training sees what the phone will see.
"""

from __future__ import annotations

import fcntl
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from mushroom_tasks import imaging
from mushroom_tasks.errors import LearningError, PhotoError
from mushroom_tasks.progress import Progress
from mushroom_tasks.storage import Store, fingerprint

# Raise when imaging.model_input changes what it returns: features and prepared pixels made before are stale then.
PREPROCESSING_VERSION = 1
_AHEAD = 64  # photos decoded or waiting; 64 of 224 px are 10 MB
T = TypeVar("T")


def read_pixels(store: Store, paths: Sequence[str], size: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield (index, pixels) for each path of the store, in order; pixels are uint8 of shape (size, size, 3).

    Raises LearningError as `read_images` does.
    """
    return read_images(store, paths, lambda image: imaging.model_input(image, size))


def read_images(store: Store, paths: Sequence[str], look: Callable[[Image.Image], T]) -> Iterator[tuple[int, T]]:
    """Yield (index, what `look` returns of the decoded photo) for each path of the store, in order.

    Raises LearningError as `read_files` does.
    """
    return read_files(store, paths, lambda data: look(imaging.decode(data)))


def read_files(store: Store, paths: Sequence[str], look: Callable[[bytes], T]) -> Iterator[tuple[int, T]]:
    """Yield (index, what `look` returns of the photo's file) for each path of the store, in order.

    Reading and looking run ahead in threads (Pillow decodes outside the GIL, a remote store waits).

    Raises LearningError that names a photo which is missing, or where `look` raises PhotoError.
    """
    with ThreadPoolExecutor(max_workers=_workers(), thread_name_prefix="pixels") as pool:
        waiting: deque[Future[T]] = deque()
        try:
            for index, path in enumerate(paths):
                waiting.append(pool.submit(_read, store, path, look))
                if len(waiting) == _AHEAD:
                    yield index - _AHEAD + 1, waiting.popleft().result()
            start = len(paths) - len(waiting)
            while waiting:
                yield start, waiting.popleft().result()
                start += 1
        finally:
            for future in waiting:
                future.cancel()


def _workers() -> int:
    return min(16, 2 * (os.cpu_count() or 1))


def _read(store: Store, path: str, look: Callable[[bytes], T]) -> T:
    try:
        return look(store.read_bytes(path))
    except FileNotFoundError as error:
        raise LearningError(
            f"the photo {store.address(path)} is gone from the store. Where its photographer withdrew it, train on the "
            "newest data set; otherwise run dataset_build with `again`."
        ) from error
    except PhotoError as error:
        raise LearningError(
            f"the photo {store.address(path)} no longer decodes ({error.reason}: {error}). Delete it and run "
            "dataset_build with `again`."
        ) from error


@dataclass(frozen=True)
class PreparedPixels:
    """Prepared photos on the local disk: `pixels` is a read-only memory map, uint8 of shape (N, S, S, 3).

    Photos are in the order of `sha256`, sorted and unique.
    """

    sha256: NDArray[np.str_]
    pixels: NDArray[np.uint8]

    def indices(self, sha256: Sequence[str]) -> NDArray[np.int64]:
        """Return where in `pixels` the photos with these checksums are."""
        wanted = np.asarray(sha256, dtype=str)
        found = np.minimum(np.searchsorted(self.sha256, wanted), len(self.sha256) - 1)
        if len(wanted) and not np.array_equal(self.sha256[found], wanted):
            raise LearningError("photos are asked for that were not prepared; prepare the whole table first.")
        return found.astype(np.int64)


def prepare(
    rows: pa.Table, store: Store, cache: Path, size: int, progress_folder: Path | None = None
) -> PreparedPixels:
    """Decode the photos of `rows` (columns sha256, path) once, and return them as a memory map.

    The file is `cache/pixels/<fingerprint>.u8`, made again where it is missing: 150 KB a photo at 224 px. A killed run
    goes on after the last whole photo. Two runs that need the same file wait for each other.

    Raises LearningError for a photo that is gone or no longer decodes, or where there are no rows.
    """
    if rows.num_rows == 0:
        raise LearningError("there are no photos to prepare. Received: an empty table.")
    sha256, first = np.unique(np.asarray(rows["sha256"]).astype(str), return_index=True)
    paths = rows["path"].take(first).to_pylist()
    name = fingerprint("pixels", sha256=sha256.tolist(), size=size, preprocessing=PREPROCESSING_VERSION)
    target = cache / "pixels" / f"{name}.u8"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(target, paths, store, size, progress_folder)
    return PreparedPixels(sha256, np.memmap(target, np.uint8, "r", shape=(len(paths), size, size, 3)))


def _write(target: Path, paths: list[str], store: Store, size: int, progress_folder: Path | None) -> None:
    partial = target.with_suffix(".part")
    with (
        partial.open("ab") as file,
        Progress("prepare", total=len(paths), unit="photos", folder=progress_folder) as progress,
    ):
        fcntl.flock(file, fcntl.LOCK_EX)
        if target.exists():
            partial.unlink(missing_ok=True)  # another run finished while this one waited
            return
        done = file.seek(0, os.SEEK_END) // (size * size * 3)
        file.truncate(done * size * size * 3)
        progress.advance(done)
        for _, pixels in read_pixels(store, paths[done:], size):
            file.write(pixels.tobytes())
            progress.advance()
        file.flush()
        os.fsync(file.fileno())
        partial.replace(target)
