"""The photos that a download is asked for, read piece by piece from manifests of any length.

for request in wanted(selection_batches, downloads_batches):
    request.number, request.photo_id, request.extension, request.known
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from mushroom_tasks.errors import StorageError


class Photo(NamedTuple):
    """A photo in the store, as the last columns of DOWNLOADS have it."""

    path: str
    sha256: str
    bytes: int
    width: int
    height: int
    format: str
    small_path: str | None = None
    small_sha256: str | None = None


class Request(NamedTuple):
    """A photo that is wanted: its place in the list, and what an earlier run knows of it."""

    number: int
    photo_id: int
    extension: str
    known: Photo | None


def wanted(selection: Iterable[pa.RecordBatch], earlier: Iterable[pa.RecordBatch] = ()) -> Iterator[Request]:
    """Yield a request per photo, ascending by photo_id.

    Parameters
    ----------
    selection
        Columns photo_id and extension, sorted by photo_id; repetitions are left out.
    earlier
        DOWNLOADS of an earlier run, sorted by photo_id.

    Raises
    ------
    StorageError
        A manifest is not sorted.
    """
    stored = _stored(earlier)
    last = next(stored, None)
    rows = _ascending(selection, ["photo_id", "extension"])
    for number, (photo_id, same) in enumerate(groupby(rows, key=itemgetter(0))):
        while last is not None and last[0] < photo_id:
            last = next(stored, None)
        known = last[1] if last is not None and last[0] == photo_id else None
        yield Request(number, photo_id, min(extension for _, extension in same), known)


def _stored(earlier: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, Photo]]:
    ok = (batch.filter(pc.is_valid(batch["path"])) for batch in earlier)
    for photo_id, *columns in _ascending(ok, ["photo_id", *Photo._fields]):
        yield photo_id, Photo(*columns)


def _ascending(batches: Iterable[pa.RecordBatch], columns: list[str]) -> Iterator[tuple[Any, ...]]:
    last = None
    for batch in batches:
        for row in zip(*(batch[name].to_pylist() for name in columns), strict=True):
            if last is not None and row[0] < last:
                raise StorageError(
                    f"a list of photos is not sorted by photo_id: {row[0]} follows {last}. Make its manifest again."
                )
            last = row[0]
            yield row
