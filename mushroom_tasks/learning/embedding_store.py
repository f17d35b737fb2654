"""Embeddings kept per photo, so that a refresh embeds only photos it has not seen.

known = EmbeddingStore(store, embedder_fingerprint(settings))
embeddings, _ = embed(known.missing(rows), store, settings, look)
known.add(embeddings)
features = known.matrix(rows)
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mushroom_tasks.errors import LearningError
from mushroom_tasks.photo_table import PhotoTable
from mushroom_tasks.storage import Store


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
        self._table = PhotoTable(store, f"embeddings/{embedder}", LearningError)

    def missing(self, rows: pa.Table) -> pa.Table:
        """Return the rows (with photo_id and sha256) whose content has no embedding yet."""
        return self._table.missing(rows)

    def add(self, table: pa.Table) -> None:
        """Keep embeddings (`manifests.embeddings_schema`), of earlier contents of a photo as well."""
        self._table.add(table)

    def matrix(self, rows: pa.Table) -> NDArray[np.float32]:
        """Return the embeddings of `rows`, in their order: shape (N, features).

        Raises LearningError where a photo has none, and where there are no rows.
        """
        result: NDArray[np.float32] | None = None
        for positions, part in self._table.parts(rows, ["embedding"]):
            vectors = part["embedding"].combine_chunks().flatten().to_numpy().reshape(len(positions), -1)
            if result is None:
                result = np.empty((rows.num_rows, vectors.shape[1]), np.float32)
            result[positions] = vectors
        if result is None:
            raise LearningError("there are no photos to read embeddings of. Received: an empty table")
        return result
