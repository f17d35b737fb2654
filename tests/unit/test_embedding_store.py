"""Embeddings kept per photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning.embedding_store import BUCKETS, EmbeddingStore, shard_of
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


def test_missing__is_what_was_not_added(known: EmbeddingStore) -> None:
    known.add(embedded(rows([1, 2, 65])))

    assert sorted(known.missing(rows([1, 2, 3, 65, 66]))["photo_id"].to_pylist()) == [3, 66]


def test_missing__a_photo_with_other_content_is_embedded_again(known: EmbeddingStore) -> None:
    known.add(embedded(rows([1, 65])))
    replaced = rows([1], sha256="b")
    assert known.missing(replaced)["photo_id"].to_pylist() == [1]

    known.add(embedded(replaced, offset=100))
    np.testing.assert_array_equal(known.matrix(rows([65, 1]))[:, 0], [65, 101])


def test_matrix__follows_the_order_of_the_rows(known: EmbeddingStore) -> None:
    ids = list(range(200))
    known.add(embedded(rows(ids)))
    wanted = [150, 3, 64, 128, 0]

    np.testing.assert_array_equal(known.matrix(rows(wanted))[:, 0], wanted)


@pytest.mark.parametrize("ids", [[1, 7], [65], [1, 70]])
def test_matrix__names_what_lacks(known: EmbeddingStore, ids: list[int]) -> None:
    known.add(embedded(rows([1])))
    with pytest.raises(LearningError, match="Run embed first"):
        known.matrix(rows(ids))


@pytest.mark.parametrize("shards", [1, 2, 5, 64])
def test_shard_of__keeps_buckets_together(shards: int) -> None:
    ids = np.arange(1_000, dtype=np.int64)
    found = shard_of(ids, shards)

    assert set(found) == set(range(shards))
    for bucket in range(BUCKETS):
        assert len(set(found[ids % BUCKETS == bucket])) == 1
