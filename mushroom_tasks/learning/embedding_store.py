"""Embeddings kept per photo, so that a refresh embeds only photos it has not seen.

One Parquet file per bucket of photo ids under `embeddings/<embedder>/`. A photo counts as known when both its id
and the sha256 of its content are: a photo that was replaced upstream is embedded again. Each bucket is written by
one shard alone (`shard_of`), so shards need no lock.

    known = EmbeddingStore(store, embedder_fingerprint(settings))
    known.add(embed(known.missing(rows), store, settings, None))
    features = known.matrix(rows)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mushroom_tasks.errors import LearningError
from mushroom_tasks.storage import Store

BUCKETS = 64


def shard_of(photo_ids: NDArray[np.int64], shards: int) -> NDArray[np.int64]:
    """Return the shard of each photo: whole buckets stay together. Shapes (N,) and (N,)."""
    return (photo_ids % BUCKETS) % shards


class EmbeddingStore:
    """The embeddings of one embedder (backbone, weights, preprocessing).

    Parameters
    ----------
    store
        The store that holds them.
    embedder
        Fingerprint of the embedder.
    """

    def __init__(self, store: Store, embedder: str) -> None:
        self._store = store
        self._folder = f"embeddings/{embedder}"

    def missing(self, rows: pa.Table) -> pa.Table:
        """Return the rows (with photo_id and sha256) whose content has no embedding yet."""
        wanted = []
        for bucket, part in self._by_bucket(rows):
            known = self._read(bucket, ["photo_id", "sha256"])
            if known is None:
                wanted.append(part)
                continue
            pairs = set(zip(known["photo_id"].to_pylist(), known["sha256"].to_pylist(), strict=True))
            is_new = [
                pair not in pairs for pair in zip(part["photo_id"].to_pylist(), part["sha256"].to_pylist(), strict=True)
            ]
            wanted.append(part.filter(pa.array(is_new, pa.bool_())))
        return pa.concat_tables(wanted) if wanted else rows.slice(0, 0)

    def add(self, table: pa.Table) -> None:
        """Keep embeddings; a photo whose content changed has its row replaced."""
        for bucket, part in self._by_bucket(table):
            known = self._read(bucket)
            if known is not None:
                stays = pc.invert(pc.is_in(known["photo_id"], part["photo_id"].combine_chunks()))
                part = pa.concat_tables([known.filter(stays), part])
            with self._store.open_atomic(self._path(bucket)) as file:
                pq.write_table(part.sort_by("photo_id"), file, compression="zstd")

    def matrix(self, rows: pa.Table) -> NDArray[np.float32]:
        """Return the embeddings of `rows`, in their order: shape (N, features).

        Raises LearningError where a photo has none.
        """
        positions = np.arange(rows.num_rows)
        buckets = np.asarray(rows["photo_id"]) % BUCKETS
        result: NDArray[np.float32] | None = None
        for bucket, part in self._by_bucket(rows):
            known = self._read(bucket)
            ids = np.asarray(known["photo_id"]) if known is not None else np.zeros(0, np.int64)
            found = np.searchsorted(ids, np.asarray(part["photo_id"]))
            if known is None or not np.array_equal(ids[np.minimum(found, len(ids) - 1)], np.asarray(part["photo_id"])):
                raise LearningError(f"photos of bucket {bucket} have no embeddings in {self._folder}. Run embed first.")
            vectors = known["embedding"].combine_chunks().flatten().to_numpy().reshape(len(ids), -1)
            if result is None:
                result = np.empty((rows.num_rows, vectors.shape[1]), np.float32)
            result[positions[buckets == bucket]] = vectors[found]
        if result is None:
            raise LearningError("there are no photos to read embeddings of. Received: an empty table")
        return result

    def _by_bucket(self, rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
        buckets = np.asarray(rows["photo_id"]) % BUCKETS
        for bucket in np.unique(buckets):
            yield int(bucket), rows.filter(pa.array(buckets == bucket))

    def _path(self, bucket: int) -> str:
        return f"{self._folder}/{bucket:02d}.parquet"

    def _read(self, bucket: int, columns: list[str] | None = None) -> pa.Table | None:
        try:
            with self._store.open(self._path(bucket)) as file:
                return pq.read_table(file, columns=columns)
        except FileNotFoundError:
            return None
