"""Embeddings: one per photo, in order, the same whatever else is in the shard."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from PIL import Image

from mushroom_tasks import imaging
from mushroom_tasks.errors import LearningError, UnknownBackbone
from mushroom_tasks.learning import backbones
from mushroom_tasks.learning.embeddings import embed, embedder_fingerprint
from mushroom_tasks.manifests import embeddings_schema
from mushroom_tasks.settings import EmbeddingSettings
from mushroom_tasks.storage import Store

SETTINGS = EmbeddingSettings(batch_size=4)


def photo(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((80, 60)).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def store_with(folder: Path, seeds: dict[int, int]) -> tuple[Store, pa.Table]:
    """A store with a photo per id, drawn from its seed, and the rows that name them."""
    store = Store(folder)
    records = []
    for photo_id, seed in seeds.items():
        data = photo(seed)
        store.write_bytes(f"photos/{photo_id}.jpg", data)
        sha256 = hashlib.sha256(data).hexdigest()
        records.append({"photo_id": photo_id, "sha256": sha256, "path": f"photos/{photo_id}.jpg"})
    return store, pa.Table.from_pylist(records)


def matrix(table: pa.Table) -> NDArray[np.float32]:
    return np.stack(table["embedding"].to_numpy())


def test_embed__gives_the_features_of_each_photo_sorted_by_id(tmp_path: Path) -> None:
    store, rows = store_with(tmp_path, {30: 1, 10: 2, 20: 3, 50: 4, 40: 1})
    table, looks = embed(rows, store, SETTINGS, look=lambda image: image.getpixel((0, 0)))
    assert table.schema.equals(embeddings_schema(1280))
    assert table["photo_id"].to_pylist() == [10, 20, 30, 40, 50]
    model = backbones.get("efficientnet_lite0").build("imagenet")
    pixels = imaging.model_input(imaging.decode(photo(2)), 224)[None].astype(np.float32)
    np.testing.assert_allclose(matrix(table)[0], model(pixels).numpy()[0], atol=1e-4)
    np.testing.assert_array_equal(matrix(table)[2], matrix(table)[3])  # the same content under two ids
    assert looks == [imaging.decode(photo(seed)).getpixel((0, 0)) for seed in (2, 3, 1, 1, 4)]
    shard, _ = embed(rows.slice(3, 1), store, SETTINGS, look=lambda image: None)
    np.testing.assert_allclose(matrix(shard)[0], matrix(table)[4], atol=1e-5)


def test_embed__gives_an_empty_table_for_no_rows(tmp_path: Path) -> None:
    store, rows = store_with(tmp_path, {1: 1})
    table, looks = embed(rows.slice(0, 0), store, SETTINGS, look=lambda image: image.size)
    assert table.schema.equals(embeddings_schema(1280))
    assert looks == []


def test_embed__names_photo_that_is_gone_or_broken(tmp_path: Path) -> None:
    store, rows = store_with(tmp_path, {1: 1, 2: 2})
    store.write_bytes("photos/2.jpg", photo(2)[:-300])
    with pytest.raises(LearningError, match=r"photos/2\.jpg no longer decodes \(truncated"):
        embed(rows, store, SETTINGS, look=lambda image: None)
    store.delete("photos/2.jpg")
    with pytest.raises(LearningError, match=r"photos/2\.jpg is gone"):
        embed(rows, store, SETTINGS, look=lambda image: None)


def test_embedder_fingerprint__changes_with_weights_and_backbone_only() -> None:
    first = embedder_fingerprint(SETTINGS)
    assert first == embedder_fingerprint(EmbeddingSettings(batch_size=64, shards=7))
    assert first != embedder_fingerprint(EmbeddingSettings(weights="none"))
    assert first != embedder_fingerprint(EmbeddingSettings(backbone="mobilenet_v3_large"))
    with pytest.raises(UnknownBackbone):
        embedder_fingerprint(EmbeddingSettings(backbone="resnet"))
