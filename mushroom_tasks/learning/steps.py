"""Single steps of training and validation, as graphs, on one device or several.

    steps = Steps(model, optimizer, loss, strategy)
    sums = steps.train(batch, parts=1)          # (3,): summed loss, right answers, photos
    loss, accuracy = steps.evaluate(batches, parts=1)

A loop of our own, not `Model.fit`, because a killed run has to go on at its step: Keras' BackupAndRestore brings back
weights and optimizer but begins the epoch anew, and forgets what its other callbacks had counted. Needs TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from mushroom_tasks.learning.losses import ClassificationLoss

if TYPE_CHECKING:
    import keras


class Steps:
    """Steps of one phase.

    Parameters
    ----------
    model
        From inputs to logits; what of it is trainable learns.
    optimizer
        Built for the model's trainable variables.
    loss
        Of each photo.
    strategy
        A `tf.distribute.Strategy`; model and optimizer were made in its scope.
    """

    def __init__(
        self, model: keras.Model, optimizer: keras.optimizers.Optimizer, loss: ClassificationLoss, strategy: Any
    ) -> None:
        import tensorflow as tf

        self._model, self._optimizer, self._loss, self._strategy = model, optimizer, loss, strategy
        self._variables = model.trainable_variables
        self._accumulators: list[Any] = []
        self._whole = tf.function(lambda batch: self._over_devices(self._train_whole, batch))
        self._part = tf.function(lambda batch, part, parts: self._over_devices(self._train_part, batch, part, parts))
        self._update = tf.function(lambda: strategy.run(self._apply_parts))
        self._check = tf.function(lambda batch, part, parts: self._over_devices(self._validate, batch, part, parts))

    def train(self, batch: Any, parts: int) -> Any:
        """Do one step with a batch of (inputs, labels[, weights]), part after part; return the sums, (3,)."""
        if parts == 1:
            return self._whole(batch)
        self._make_accumulators()
        sums = _over_parts(self._part, batch, parts)
        self._update()
        return sums

    def forget(self) -> None:
        """Drop the gradients of parts whose step was broken off."""
        for accumulator in self._accumulators:
            accumulator.assign(accumulator * 0)

    def evaluate(self, batches: Iterable[Any], parts: int) -> tuple[float, float]:
        """Return mean loss and accuracy over batches of (inputs, labels)."""
        loss, right, photos = sum(_over_parts(self._check, batch, parts) for batch in batches).numpy().tolist()
        return loss / photos, right / photos

    def _over_devices(self, step: Callable[..., Any], *arguments: Any) -> Any:
        return self._strategy.reduce("SUM", self._strategy.run(step, arguments), axis=None)

    def _train_whole(self, batch: Any) -> Any:
        gradients, sums = self._gradients(batch, batch)
        self._optimizer.apply(gradients, self._variables)
        return sums

    def _train_part(self, batch: Any, part: Any, parts: Any) -> Any:
        gradients, sums = self._gradients(_cut(batch, part, parts), batch)
        for accumulator, gradient in zip(self._accumulators, gradients, strict=True):
            accumulator.assign_add(gradient)
        return sums

    def _apply_parts(self) -> None:
        self._optimizer.apply([accumulator.read_value() for accumulator in self._accumulators], self._variables)
        self.forget()

    def _validate(self, batch: Any, part: Any, parts: Any) -> Any:
        inputs, labels = _cut(batch, part, parts)
        logits = self._model(inputs, training=False)
        return _sums(self._loss(labels, logits), labels, logits)

    def _gradients(self, cut: Any, batch: Any) -> tuple[list[Any], Any]:
        """Gradients of `cut` for the mean over the whole batch, on all devices together."""
        import tensorflow as tf

        inputs, labels, *weights = cut
        photos = tf.cast(tf.shape(batch[1])[0], tf.float32)
        photos = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, photos)
        with tf.GradientTape() as tape:
            logits = self._model(inputs, training=True)
            losses = self._loss(labels, logits)
            if weights:
                losses *= weights[0]
            scaled = self._optimizer.scale_loss(tf.reduce_sum(losses) / photos)
        return tape.gradient(scaled, [variable.value for variable in self._variables]), _sums(losses, labels, logits)

    def _make_accumulators(self) -> None:
        """One for each variable and device; a device reads only its own."""
        import tensorflow as tf

        if self._accumulators:
            return
        with self._strategy.scope():
            self._accumulators = [
                tf.Variable(
                    tf.zeros(variable.shape),
                    trainable=False,
                    synchronization=tf.VariableSynchronization.ON_READ,
                    aggregation=tf.VariableAggregation.SUM,
                )
                for variable in self._variables
            ]


def _over_parts(step: Callable[..., Any], batch: Any, parts: int) -> Any:
    import tensorflow as tf

    count = tf.constant(parts)
    return sum((step(batch, tf.constant(part), count) for part in range(parts)), tf.zeros(3))


def _cut(batch: Any, part: Any, parts: Any) -> tuple[Any, ...]:
    import tensorflow as tf

    size = -(-tf.shape(batch[1])[0] // parts)
    return tuple(array[part * size : (part + 1) * size] for array in batch)


def _sums(losses: Any, labels: Any, logits: Any) -> Any:
    import tensorflow as tf

    right = tf.equal(tf.argmax(labels, axis=1), tf.argmax(logits, axis=1))
    count = tf.cast(tf.size(losses), tf.float32)
    return tf.stack([tf.reduce_sum(losses), tf.reduce_sum(tf.cast(right, tf.float32)), count])
