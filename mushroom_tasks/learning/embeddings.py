"""Embeddings: one pass of a pretrained backbone over photos.

    table = embed(rows, store, settings, progress_folder)       # photo_id, sha256, embedding

Cost: 60 to 85 photos a second on two cores at 224 px, where decoding takes a tenth of it; `model.predict` reaches
half of that. The caller caches per photo under `embedder_fingerprint`. Needs TensorFlow.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mushroom_tasks.learning import backbones
from mushroom_tasks.learning.devices import prepare_devices
from mushroom_tasks.learning.model import compiled
from mushroom_tasks.learning.pixels import PREPROCESSING_VERSION, read_pixels
from mushroom_tasks.manifests import embeddings_schema
from mushroom_tasks.progress import Progress
from mushroom_tasks.settings import EmbeddingSettings
from mushroom_tasks.storage import Store, fingerprint


def embedder_fingerprint(settings: EmbeddingSettings) -> str:
    """Return what identifies an embedding of given pixels: backbone, weights, input size, preprocessing.

    Batch size and shards are left out: they do not change what is embedded.
    """
    backbone = backbones.get(settings.backbone)
    return fingerprint(
        "embedder",
        backbone=backbone.name,
        weights=backbone.weights_fingerprint(settings.weights),
        input_size=backbone.input_size,
        preprocessing=PREPROCESSING_VERSION,
    )


def embed(rows: pa.Table, store: Store, settings: EmbeddingSettings, progress_folder: Path | None = None) -> pa.Table:
    """Return an embedding for every row.

    Parameters
    ----------
    rows
        Table with photo_id, sha256 and path (relative to the store); rows of the same sha256 are embedded once.
    store
        Where the photos lie.
    settings
        Backbone, weights and batch size.
    progress_folder
        Where a live display looks for the count; None shows none.

    Returns
    -------
    pa.Table
        Schema `manifests.embeddings_schema(backbone.features)`, sorted by photo_id.

    Raises
    ------
    UnknownBackbone, WeightsMismatch
        The settings name a backbone or weights that cannot be used.
    LearningError
        A photo is gone from the store or no longer decodes.
    """
    backbone = backbones.get(settings.backbone)
    schema = embeddings_schema(backbone.features)
    if rows.num_rows == 0:
        return schema.empty_table()
    rows = rows.select(["photo_id", "sha256", "path"]).sort_by("photo_id")
    unique, first, inverse = np.unique(np.asarray(rows["sha256"]), return_index=True, return_inverse=True)
    paths = rows["path"].take(first).to_pylist()
    with Progress("embed", total=len(unique), unit="photos", folder=progress_folder) as progress:
        features = _features(backbone, paths, store, settings, progress)
    values = pa.array(features[inverse].ravel())
    embedding = pa.FixedSizeListArray.from_arrays(values, backbone.features)
    return pa.table([rows["photo_id"], rows["sha256"], embedding], names=schema.names).cast(schema)


def _features(
    backbone: backbones.Backbone, paths: list[str], store: Store, settings: EmbeddingSettings, progress: Progress
) -> NDArray[np.float32]:
    import keras

    prepare_devices()
    keras.utils.set_random_seed(0)  # weights `none` give the same features in every shard
    step = compiled(backbone.build(settings.weights))
    features = np.empty((len(paths), backbone.features), np.float32)
    size = backbone.input_size
    # Every batch has the same shape, the last one padded: the same kernels run, whatever the shard holds.
    batch = np.zeros((settings.batch_size, size, size, 3), np.float32)
    for index, pixels in read_pixels(store, paths, size):
        slot = index % settings.batch_size
        batch[slot] = pixels
        if slot == settings.batch_size - 1 or index == len(paths) - 1:
            features[index - slot : index + 1] = step(batch)[: slot + 1].numpy()
            progress.advance(slot + 1)
    return features
