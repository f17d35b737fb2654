"""The head's training data: features of a frozen backbone, computed once and held in memory.

    batches = FeatureBatches(features, labels, classes=20, settings=settings, seed=1)
    for features, labels in batches.for_epoch(3, first_step=12): ...

5 kB a photo with 1,280 features, twice that with mirrored photos. Needs TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.learning.balance import class_weights, epoch_order
from mushroom_tasks.settings import TrainingSettings

if TYPE_CHECKING:
    import tensorflow as tf


MOST_STEPS = 2000  # of an epoch


class FeatureBatches:
    """Batches of (features (B, F), labels (B, C)), and weights (B,) where `balance` is `weights`.

    Order and balance are those of `training_batches`: a function of seed, epoch and step. Batches have the settings'
    size, or a multiple of it where an epoch would have more than 2,000 steps: on so many features a step of the
    optimizer costs more than what it learns from. 445 classes x 400 photos, mirrored too: 18 s of CPU time an epoch.

    Parameters
    ----------
    features, labels
        float32 (N, F), and the class of each, (N,).
    """

    def __init__(
        self,
        features: NDArray[np.float32],
        labels: NDArray[np.int64],
        classes: int,
        settings: TrainingSettings,
        seed: int,
    ) -> None:
        import tensorflow as tf

        batches = -(-len(labels) // settings.batch_size)
        self._batch_size = settings.batch_size * -(-batches // MOST_STEPS)
        self._labels, self._classes, self._settings, self._seed = labels, classes, settings, seed
        self._features = tf.constant(features)
        self._weights = class_weights(labels, classes, settings)

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return -(-len(self._labels) // self._batch_size)

    def for_epoch(self, epoch: int, first_step: int = 0) -> tf.data.Dataset:
        """Return the batches of an epoch from a step on."""
        import tensorflow as tf

        order = epoch_order(self._labels, self._classes, self._settings, self._seed, epoch)
        order = order[first_step * self._batch_size :]
        rest = tf.data.Dataset.from_tensor_slices((order, self._labels[order]))

        def look_up(places: Any, labels: Any) -> tuple[Any, ...]:
            batch = tf.gather(self._features, places), tf.one_hot(labels, self._classes)
            return (*batch, tf.gather(self._weights, labels)) if self._settings.balance == "weights" else batch

        return rest.batch(self._batch_size).map(look_up).prefetch(tf.data.AUTOTUNE)


def collect(batches: Iterable[Any], extract: Callable[[Any], Any]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return features (N, F) and classes (N,) of all photos in `batches` of (pixels, one-hot labels)."""
    features, labels = zip(*((extract(pixels).numpy(), labels.numpy()) for pixels, labels in batches), strict=True)
    return np.concatenate(features), np.concatenate(labels).argmax(axis=1)
