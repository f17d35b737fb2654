"""What was computed once per photo and is kept, so that a refresh computes it only for photos it has not seen.

A table is a folder of the store with a few Parquet files, its parts, per bucket of photo ids. A photo counts as known
when both its id and the sha256 of its content are: one that was replaced upstream is computed again, and what was kept
of its earlier content stays, for data sets that have it.

Several runs may write at once, without a lock: every `add` writes parts of names that nobody else uses, and where parts
are merged only those are deleted that the merged one contains. At worst a row is there twice.

    table = PhotoTable(store, "looks/1", CurationError)
    table.add(computed(table.missing(rows)))
    for positions, part in table.parts(rows, ["sharpness"]): ...
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mushroom_tasks.errors import MushroomError, StorageError
from mushroom_tasks.storage import Store

BUCKETS = 64
_KEY = ["photo_id", "sha256"]
_MOST_PARTS = 4  # of a bucket: a reader opens no more, and a writer rewrites a bucket at every fourth `add` only
_TRIES = 5  # a reader's, while others merge what it is about to open


def shard_of(photo_ids: NDArray[np.int64], shards: int) -> NDArray[np.int64]:
    """Return the shard of each photo: whole buckets stay together. Shapes (N,) and (N,)."""
    return (photo_ids % BUCKETS) % shards


class PhotoTable:
    """Rows of any columns beside `photo_id` and `sha256`, one per photo and content.

    Parameters
    ----------
    store
        The store that holds them.
    folder
        Where in the store; named for how the rows are computed, so that another way gets another folder.
    absent
        The error to raise where a photo that is asked for was not computed.
    """

    def __init__(self, store: Store, folder: str, absent: type[MushroomError]) -> None:
        self._store, self._folder, self._absent = store, folder, absent

    def missing(self, rows: pa.Table) -> pa.Table:
        """Return the rows (with photo_id and sha256) whose content is not known yet.

        They come bucket by bucket: whoever adds them piece by piece writes few parts of each.
        """
        listed = self._list()
        missing = [np.zeros(0, np.int64)]
        for bucket, positions in _buckets(rows):
            known = self._read(bucket, listed[bucket], _KEY)
            if known is not None:
                positions = positions[_find(known, rows.take(pa.array(positions))) < 0]
            missing.append(positions)
        return rows.take(pa.array(np.concatenate(missing)))

    def add(self, table: pa.Table) -> None:
        """Keep rows, all tables with the same columns; of rows on one photo and content the last added counts."""
        listed = self._list()
        for bucket, positions in _buckets(table):
            parts = listed[bucket]
            parts.append(self._write(bucket, 1 + max(map(_age, parts), default=0), table.take(pa.array(positions))))
            if len(parts) > _MOST_PARTS:
                self._merge(bucket, parts)

    def parts(self, rows: pa.Table, columns: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], pa.Table]]:
        """Yield, bucket by bucket, positions in `rows` (with photo_id and sha256) and the `columns` known of them.

        Raises `absent` where a photo is not known.
        """
        listed = self._list()
        for bucket, positions in _buckets(rows):
            known = self._read(bucket, listed[bucket], [*_KEY, *columns])
            found = np.full(len(positions), -1)
            if known is not None:
                found = _find(known, rows.take(pa.array(positions)))
            if known is None or (found < 0).any():
                raise self._absent(
                    f"{np.sum(found < 0)} photos, the first {rows['photo_id'][int(positions[found < 0][0])]}, are not "
                    f"in {self._store.address(self._folder)}. Run embed first."
                )
            yield positions, known.select(list(columns)).take(pa.array(found))

    def _list(self) -> defaultdict[int, list[str]]:
        """Return the names of the parts of each bucket: one request, whatever the store."""
        listed: defaultdict[int, list[str]] = defaultdict(list)
        for name in self._store.list(self._folder):
            if name.endswith(".parquet"):
                listed[int(name[:2])].append(name)
        return listed

    def _read(self, bucket: int, parts: list[str], columns: list[str] | None = None) -> pa.Table | None:
        """Return all rows of a bucket, the last added first; None where there are none."""
        for _ in range(_TRIES):
            try:
                found = [self._open(part, columns) for part in _newest_first(parts)]
                return pa.concat_tables(found) if found else None
            except FileNotFoundError:
                parts = self._list()[bucket]  # merged since it was listed
        raise StorageError(
            f"{self._store.address(self._folder)} is merged as fast as it is read. Run again when less is running."
        )

    def _open(self, part: str, columns: list[str] | None = None) -> pa.Table:
        with self._store.open(f"{self._folder}/{part}") as file:
            return pq.read_table(file, columns=columns)

    def _write(self, bucket: int, age: int, table: pa.Table) -> str:
        name = f"{bucket:02d}-{age:06d}-{uuid.uuid4().hex[:12]}.parquet"
        with self._store.open_atomic(f"{self._folder}/{name}") as file:
            pq.write_table(table.sort_by("photo_id"), file, compression="zstd")
        return name

    def _merge(self, bucket: int, parts: list[str]) -> None:
        """Write parts as one, then delete them, and nothing that was added meanwhile."""
        try:
            rows = pa.concat_tables([self._open(part) for part in _newest_first(parts)])
        except FileNotFoundError:
            return  # somebody else merges them
        codes = pc.dictionary_encode(_keys(rows)).combine_chunks().indices
        _, first = np.unique(np.asarray(codes), return_index=True)
        self._write(bucket, max(map(_age, parts)), rows.take(pa.array(first)))
        for part in parts:
            self._store.delete(f"{self._folder}/{part}")


def _age(part: str) -> int:
    """Return which addition to its bucket a part is; 0 for the one file of a bucket that earlier versions wrote."""
    return int(part.split("-")[1]) if "-" in part else 0


def _newest_first(parts: list[str]) -> list[str]:
    return sorted(parts, key=lambda part: (_age(part), part), reverse=True)


def _buckets(rows: pa.Table) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each bucket with the positions of its rows, ascending."""
    buckets = np.asarray(rows["photo_id"]) % BUCKETS
    for bucket in np.unique(buckets):
        yield int(bucket), np.flatnonzero(buckets == bucket)


def _keys(rows: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(pc.cast(rows["photo_id"], pa.string()), rows["sha256"], " ")


def _find(known: pa.Table, rows: pa.Table) -> NDArray[np.int64]:
    """Return where in `known` each row's content is first; -1 where it is not."""
    places = pc.index_in(_keys(rows), value_set=_keys(known).combine_chunks())
    return np.asarray(places.fill_null(-1)).astype(np.int64)
