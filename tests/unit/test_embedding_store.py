"""Embeddings kept per photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning.embedding_store import EmbeddingStore
from mushroom_tasks.manifests import embeddings_schema
from mushroom_tasks.storage import Store


def rows(ids: list[int], sha256: str = "a") -> pa.Table:
    return pa.table({"photo_id": pa.array(ids, pa.int64()), "sha256": [f"{sha256}{i}" for i in ids]})


def embedded(table: pa.Table, offset: float = 0.0) -> pa.Table:
    vectors = [[photo_id + offset, 1.0, 2.0] for photo_id in table["photo_id"].to_pylist()]
    return table.append_column("embedding", pa.array(vectors, pa.list_(pa.float32(), 3))).cast(embeddings_schema(3))


@pytest.fixture
def known(tmp_path: Path) -> EmbeddingStore:
    return EmbeddingStore(Store(tmp_path), "embedder")


def test_matrix__follows_the_order_of_the_rows(known: EmbeddingStore) -> None:
    known.add(embedded(rows(list(range(200)))))
    wanted = [150, 3, 64, 128, 0]

    np.testing.assert_array_equal(known.matrix(rows(wanted)), [[i, 1, 2] for i in wanted])


def test_matrix__a_photo_with_other_content_is_embedded_again(known: EmbeddingStore) -> None:
    known.add(embedded(rows([1, 65])))
    replaced = rows([1], sha256="b")
    assert known.missing(replaced)["photo_id"].to_pylist() == [1]
    with pytest.raises(LearningError, match="Run embed first"):
        known.matrix(replaced)

    known.add(embedded(replaced, offset=100))
    np.testing.assert_array_equal(known.matrix(replaced)[:, 0], [101])


def test_matrix__of_one_embedder_is_not_that_of_another(known: EmbeddingStore, tmp_path: Path) -> None:
    known.add(embedded(rows([1])))
    with pytest.raises(LearningError, match="embeddings/other"):
        EmbeddingStore(Store(tmp_path), "other").matrix(rows([1]))


def test_matrix__refuses_an_empty_table(known: EmbeddingStore) -> None:
    with pytest.raises(LearningError, match="empty table"):
        known.matrix(rows([]))
