"""The optimizer of a phase: Adam or AdamW, with rates by depth, clipping over all devices, and averaged weights.

    optimizer = build_optimizer(settings, rate=5e-4, factors=[1.0, 1.0, 0.8], variables=model.trainable_variables)

Keras' own optimizers do the steps; two things are added. Gradients are clipped by the norm of the whole batch, where
Keras clips what each GPU has of it. And each variable may have a factor on the learning rate: lower layers, which hold
what any photo needs, move less (Howard and Ruder 2018, Universal language model fine-tuning). Needs TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mushroom_tasks.settings import TrainingSettings

if TYPE_CHECKING:
    import keras


def build_optimizer(
    settings: TrainingSettings,
    rate: float,
    factors: Sequence[float],
    variables: Sequence[keras.Variable],
    *,
    scale_loss: bool = False,
) -> keras.optimizers.Optimizer:
    """Return a built optimizer for `variables`, each with its factor on `rate`.

    `scale_loss` is for float16: a scaled loss keeps small gradients from vanishing.
    """
    import keras

    options: dict[str, Any] = {
        "use_ema": settings.ema_momentum > 0,
        "ema_momentum": settings.ema_momentum,
    }
    if settings.optimizer == "adamw":
        options["weight_decay"] = settings.weight_decay
    base = keras.optimizers.AdamW if settings.optimizer == "adamw" else keras.optimizers.Adam
    made = _extended(base)(rate, **options)
    made.factors, made.limit = list(factors), settings.gradient_clip
    made.exclude_from_weight_decay(var_list=[variable for variable in variables if is_vector(variable.shape)])
    if scale_loss:
        made = keras.optimizers.LossScaleOptimizer(made)
    made.build(list(variables))
    return made


def is_vector(shape: Sequence[int]) -> bool:
    """Tell whether a variable of this shape is a bias, or a scale or offset of a norm: at most one side above 1."""
    return sum(side > 1 for side in shape) <= 1


def _extended(base: Any) -> Any:
    import tensorflow as tf

    class Extended(base):  # type: ignore[misc]
        factors: list[float]
        limit: float

        def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
            context = tf.distribute.get_replica_context()
            replicas = context.num_replicas_in_sync
            if replicas > 1:
                grads = context.all_reduce(tf.distribute.ReduceOp.SUM, list(grads))
            if self.limit > 0:
                grads, _ = tf.clip_by_global_norm(grads, self.limit)
            if replicas > 1:
                grads = [gradient / replicas for gradient in grads]  # Keras sums them over the devices once more
            super().apply(grads, trainable_variables)

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            factor = self.factors[self._get_variable_index(variable)]
            super().update_step(gradient, variable, learning_rate * factor if factor < 1 else learning_rate)

    return Extended
