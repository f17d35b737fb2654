"""Augmented batches to train on: read from records, cropped, changed and mixed in TensorFlow's graph.

    records = write_records(rows, store, cache)
    batches = training_batches(records, split, classes=20, settings=settings, seed=1, size=224)
    for pixels, labels in batches.for_epoch(3, first_step=120): ...

What a batch holds is a function of seed, epoch and step alone: the rest of an epoch after a kill is the same as in a
run that was never killed. Python chooses a batch's photos, draws its numbers and reads its bytes, once a batch; all
work on pixels is the graph's, on all cores. Needs TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning import augmentation, mixing
from mushroom_tasks.learning.balance import class_weights, epoch_order
from mushroom_tasks.learning.dataset import Split
from mushroom_tasks.learning.randaugment import operate, operations_of
from mushroom_tasks.learning.records import Records
from mushroom_tasks.settings import TrainingSettings

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class TrainingBatches:
    """The batches of every epoch; `steps` of them in each, the last one of what is left."""

    records: Records
    split: Split
    places: NDArray[np.int64]
    classes: int
    settings: TrainingSettings
    seed: int
    size: int

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return -(-len(self.split) // self.settings.batch_size)

    def for_epoch(self, epoch: int, first_step: int = 0) -> tf.data.Dataset:
        """Return the batches of an epoch from a step on: float32 pixels 0..255 (B, S, S, 3) and labels (B, classes).

        Labels are one-hot, or mixed, and sum to 1. Where `balance` is `weights`, the weight of each photo, shape (B,),
        comes third, as Keras' `fit` takes it.

        Raises LearningError for a step that the epoch does not have. A damaged record ends the iteration with
        TensorFlow's error, whose message holds that of `Records.read`.
        """
        import tensorflow as tf

        if not 0 <= first_step <= self.steps:
            raise LearningError(f"an epoch has {self.steps} steps. Received: first_step={first_step}")
        order = epoch_order(self.split.labels, self.classes, self.settings, self.seed, epoch)
        data = tf.data.Dataset.range(first_step, self.steps)
        data = data.map(lambda step: self._load(order, epoch, step), num_parallel_calls=2)
        # Not `unbatch`: it crashes on arrays without columns, which the operations are where RandAugment is off.
        data = data.flat_map(lambda *batch: tf.data.Dataset.from_tensor_slices(batch))
        data = data.map(self._photo, num_parallel_calls=tf.data.AUTOTUNE).batch(self.settings.batch_size)
        data = data.map(self._batch, num_parallel_calls=tf.data.AUTOTUNE)
        return data.apply(tf.data.experimental.assert_cardinality(self.steps - first_step)).prefetch(tf.data.AUTOTUNE)

    def _load(self, order: NDArray[np.int64], epoch: int, step: Any) -> dict[str, Any]:
        import tensorflow as tf

        def read(chosen: NDArray[np.int64]) -> list[NDArray[Any]]:
            drawn = self._drawn(order, epoch, int(chosen))
            return [drawn[name] for name in specs]

        specs = self._specs()
        values = tf.numpy_function(read, [step], [spec.dtype for spec in specs.values()])
        shaped = zip(specs.items(), values, strict=True)
        return {name: tf.ensure_shape(value, spec.shape) for (name, spec), value in shaped}

    def _specs(self) -> dict[str, Any]:
        import tensorflow as tf

        specs = {
            "jpeg": tf.TensorSpec((None,), tf.string),
            "label": tf.TensorSpec((None,), tf.int32),
            "window": tf.TensorSpec((None, 4), tf.int32),
            "map": tf.TensorSpec((None, 8), tf.float32),
            "colour": tf.TensorSpec((None, 2), tf.float32),
            "mix": tf.TensorSpec((None, 5), tf.float32),
        }
        # Without operations there is nothing to pass on: TensorFlow crashes where it unbatches tensors of no size.
        if number := self.settings.randaugment_number:
            specs["operations"] = tf.TensorSpec((None, number), tf.int32)
            specs["strengths"] = tf.TensorSpec((None, number), tf.float32)
        return specs

    def _drawn(self, order: NDArray[np.int64], epoch: int, step: int) -> dict[str, NDArray[Any]]:
        settings, first = self.settings, step * self.settings.batch_size
        chosen = order[first : first + settings.batch_size]
        places = self.places[chosen]
        drawn = augmentation.draws(self.seed, epoch, first, len(chosen))
        operations = operations_of(drawn, settings)
        return {
            "jpeg": np.array(self.records.read(places), dtype=object),
            "label": self.split.labels[chosen].astype(np.int32),
            "window": augmentation.crop_windows(drawn, self.records.sizes(places), settings),
            "map": augmentation.turns(drawn, settings, self.size, operations.maps(self.size)),
            "colour": augmentation.colours(drawn, settings),
            "mix": mixing.mixes_of(drawn, settings, self.size),
            "operations": operations.names,
            "strengths": operations.strengths,
        }

    def _photo(self, photo: dict[str, Any]) -> dict[str, Any]:
        pixels = augmentation.crop(photo["jpeg"], photo["window"], self.size)
        if self.settings.randaugment_number:
            pixels = operate(pixels, photo["operations"], photo["strengths"])
        return {"pixels": pixels, **{name: photo[name] for name in ("label", "map", "colour", "mix")}}

    def _batch(self, batch: dict[str, Any]) -> tuple[Any, ...]:
        import tensorflow as tf

        pixels = augmentation.turn(batch["pixels"], batch["map"], self.settings)
        if self.settings.contrast or self.settings.brightness:
            pixels = augmentation.recolour(pixels, batch["colour"])
        labels = tf.one_hot(batch["label"], self.classes)
        if mixing.is_mixing(self.settings):
            pixels, labels = mixing.mix(pixels, labels, batch["mix"])
        if self.settings.balance != "weights":
            return pixels, labels
        weights = class_weights(self.split.labels, self.classes, self.settings)
        return pixels, labels, tf.linalg.matvec(labels, weights)


def training_batches(
    records: Records, split: Split, classes: int, settings: TrainingSettings, seed: int, size: int
) -> TrainingBatches:
    """Return the batches of `size` x `size` pixels of a split whose photos are in the records.

    Raises LearningError where a photo is in none, or the split is empty.
    """
    if len(split) == 0:
        raise LearningError("there are no photos to train on. Received: an empty split.")
    return TrainingBatches(records, split, records.indices(split.sha256.tolist()), classes, settings, seed, size)
