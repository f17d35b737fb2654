"""Embeddings: one pass of a pretrained backbone over photos, and whatever else is wanted of the one decode.

    table, looks = embed(rows, store, settings, look)       # photo_id, sha256, embedding; look(image) of each

Cost: 60 to 85 photos a second on two cores at 224 px, where decoding takes a tenth of it; `model.predict` reaches
half of that. The caller caches per photo under `embedder_fingerprint`. Needs TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from mushroom_tasks import imaging
from mushroom_tasks.learning import backbones
from mushroom_tasks.learning.devices import prepare_devices
from mushroom_tasks.learning.model import compiled
from mushroom_tasks.learning.pixels import PREPROCESSING_VERSION, read_images
from mushroom_tasks.manifests import embeddings_schema
from mushroom_tasks.progress import Progress
from mushroom_tasks.settings import EmbeddingSettings
from mushroom_tasks.storage import Store, fingerprint

T = TypeVar("T")


def embedder_fingerprint(settings: EmbeddingSettings) -> str:
    """Return what identifies an embedding of given pixels: backbone, weights, input size, preprocessing.

    Batch size and shards are left out: they do not change what is embedded.
    """
    backbone = backbones.get(settings.backbone)
    return fingerprint(
        "embedder",
        backbone=backbone.name,
        weights=backbone.weights_fingerprint(settings.weights, settings.weights_folder),
        input_size=backbone.input_size,
        preprocessing=PREPROCESSING_VERSION,
    )


def embed(
    rows: pa.Table,
    store: Store,
    settings: EmbeddingSettings,
    look: Callable[[Image.Image], T],
    progress_folder: Path | None = None,
) -> tuple[pa.Table, list[T]]:
    """Return an embedding for every row, and what `look` makes of its photo.

    Parameters
    ----------
    rows
        Table with photo_id, sha256 and path (relative to the store); rows of the same sha256 are embedded once.
    store
        Where the photos lie.
    settings
        Backbone, weights and batch size.
    look
        Called in a thread with each decoded, upright RGB photo, which it must not change.
    progress_folder
        Where a live display looks for the count; None shows none.

    Returns
    -------
    pa.Table
        Schema `manifests.embeddings_schema(backbone.features)`, sorted by photo_id.
    list
        What `look` returned, in the order of that table.

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
        return schema.empty_table(), []
    rows = rows.select(["photo_id", "sha256", "path"]).sort_by("photo_id")
    unique, first, inverse = np.unique(np.asarray(rows["sha256"]), return_index=True, return_inverse=True)
    paths = rows["path"].take(first).to_pylist()
    with Progress("embed", total=len(unique), unit="photos", folder=progress_folder) as progress:
        features, looks = _features(backbone, paths, store, settings, look, progress)
    values = pa.array(features[inverse].ravel())
    embedding = pa.FixedSizeListArray.from_arrays(values, backbone.features)
    table = pa.table([rows["photo_id"], rows["sha256"], embedding], names=schema.names).cast(schema)
    return table, [looks[index] for index in inverse]


def _features(
    backbone: backbones.Backbone,
    paths: list[str],
    store: Store,
    settings: EmbeddingSettings,
    look: Callable[[Image.Image], T],
    progress: Progress,
) -> tuple[NDArray[np.float32], list[T]]:
    import keras

    prepare_devices()
    keras.utils.set_random_seed(0)  # weights `none` give the same features in every shard
    step = compiled(backbone.build(settings.weights, weights_folder=settings.weights_folder))
    features = np.empty((len(paths), backbone.features), np.float32)
    size = backbone.input_size
    # Every batch has the same shape, the last one padded: the same kernels run, whatever the shard holds.
    batch = np.zeros((settings.batch_size, size, size, 3), np.float32)
    looks: list[T] = []
    for index, (pixels, seen) in read_images(
        store, paths, lambda image: (imaging.model_input(image, size), look(image))
    ):
        looks.append(seen)
        slot = index % settings.batch_size
        batch[slot] = pixels
        if slot == settings.batch_size - 1 or index == len(paths) - 1:
            features[index - slot : index + 1] = step(batch)[: slot + 1].numpy()
            progress.advance(slot + 1)
    return features, looks
