"""The photos of a data set as tensors: labels, splits, and tf.data on top of prepared pixels.

    split = select_split(rows, "validation", kept_only=True)
    batches = image_batches(prepared, split, classes=20, batch_size=32)

What is evaluated is read from here; what trains, augmented, from `training_batches`.

Needs TensorFlow for the batches only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning.pixels import PreparedPixels
from mushroom_tasks.manifests import SPLITS

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class Split:
    """One split: ids, checksums and label indices, each (N,), in order of photo_id."""

    photo_ids: NDArray[np.int64]
    sha256: NDArray[np.str_]
    labels: NDArray[np.int64]
    is_outlier: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.photo_ids)


def classes_of(rows: pa.Table) -> list[str]:
    """Return the scientific names in a table, sorted: a label is an index into this list."""
    return sorted(pc.unique(rows["scientific_name"]).to_pylist())


def select_split(rows: pa.Table, split: str, *, kept_only: bool) -> Split:
    """Return the rows of a split (`manifests.PRUNED`); `kept_only` leaves out what pruning flagged.

    Labels count over the classes of the whole table, so every split of a data set shares them.
    """
    if split not in SPLITS:
        raise LearningError(f"splits are {', '.join(SPLITS)}. Received: {split!r}")
    classes = np.asarray(classes_of(rows), dtype=str)
    chosen = rows.filter(pc.equal(rows["split"], split)).sort_by("photo_id")
    if kept_only:
        chosen = chosen.filter(pc.invert(chosen["is_outlier"]))
    return Split(
        photo_ids=np.asarray(chosen["photo_id"], dtype=np.int64),
        sha256=np.asarray(chosen["sha256"]).astype(str),
        labels=np.searchsorted(classes, np.asarray(chosen["scientific_name"]).astype(str)),
        is_outlier=np.asarray(chosen["is_outlier"], dtype=bool),
    )


def check_trainable(classes: list[str], train: Split, validation: Split) -> None:
    """Raise LearningError, naming the classes, where these splits cannot train a classifier.

    A validation split may lack a class: its metrics then say nothing about it.
    """
    if len(classes) < 2:
        raise LearningError(f"a classifier needs at least two classes. Received: {classes}")
    missing = [name for index, name in enumerate(classes) if index not in set(train.labels.tolist())]
    if missing:
        raise LearningError(
            f"{len(missing)} of {len(classes)} classes have no photo to train on: {', '.join(missing[:20])}. All their "
            "photos are in other splits or pruned; raise selection.min_photos_per_species, or prune less."
        )
    if len(validation) == 0:
        raise LearningError(
            "there are no validation photos to choose the best epoch by. Raise selection.validation_share, or select "
            "photos of more observers."
        )


def image_batches(prepared: PreparedPixels, split: Split, classes: int, batch_size: int) -> tf.data.Dataset:
    """Return batches of (float32 pixels 0..255 (B, S, S, 3), one-hot labels (B, classes)) in the split's order.

    These are the pixels the phone sees. Only a batch is read from the memory map at a time.
    """
    import tensorflow as tf

    places = prepared.indices(split.sha256.tolist())
    data = tf.data.Dataset.from_tensor_slices((places, split.labels))
    shape = prepared.pixels.shape[1:]

    def load(indices: Any, labels: Any) -> tuple[Any, Any]:
        read = tf.numpy_function(lambda chosen: prepared.pixels[chosen], [indices], tf.uint8)
        pixels = tf.ensure_shape(tf.cast(read, tf.float32), (None, *shape))
        return pixels, tf.one_hot(labels, classes)

    return data.batch(batch_size).map(load).prefetch(tf.data.AUTOTUNE)
