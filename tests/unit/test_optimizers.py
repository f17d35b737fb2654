"""The optimizer: what decays, how far each layer moves, what is clipped; and steps in parts that equal whole ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mushroom_tasks.learning.losses import ClassificationLoss
from mushroom_tasks.learning.optimizers import build_optimizer, is_vector
from mushroom_tasks.learning.steps import Steps
from mushroom_tasks.settings import TrainingSettings

PLAIN = TrainingSettings(weight_decay=0.0, gradient_clip=0.0, ema_momentum=0.0, dropout=0.0)
LOSS = ClassificationLoss.of(np.full(3, 1 / 3), smoothing=0.0, adjustment=0.0)


def two_layers() -> Any:
    import keras

    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, activation="tanh"), keras.layers.Dense(3)])


def batch(count: int = 7) -> tuple[Any, Any]:
    import tensorflow as tf

    random = np.random.default_rng(0)
    inputs = tf.constant(random.normal(size=(count, 4)).astype(np.float32))
    return inputs, tf.one_hot(random.integers(0, 3, count), 3)


def moved(
    settings: TrainingSettings, factors: list[float], *, parts: int = 1, steps: int = 1, scale_loss: bool = False
) -> list[np.ndarray]:
    """How far each variable moves."""
    import tensorflow as tf

    model = two_layers()
    before = [weight.copy() for weight in model.get_weights()]
    optimizer = build_optimizer(settings, 0.01, factors, model.trainable_variables, scale_loss=scale_loss)
    stepper = Steps(model, optimizer, LOSS, tf.distribute.get_strategy())
    for _ in range(steps):
        stepper.train(batch(), parts)
    return [new - old for new, old in zip(model.get_weights(), before, strict=True)]


def test_build_optimizer__moves_lower_layers_by_their_factor() -> None:
    full, decayed = moved(PLAIN, [1.0] * 4), moved(PLAIN, [0.1, 0.1, 1.0, 1.0])
    np.testing.assert_allclose(decayed[0], full[0] * 0.1, rtol=1e-3)
    np.testing.assert_array_equal(decayed[2], full[2])


def test_build_optimizer__decays_kernels_but_no_biases() -> None:
    strong = PLAIN.model_copy(update={"weight_decay": 0.9})
    plain, decayed = moved(PLAIN, [1.0] * 4), moved(strong, [1.0] * 4)
    kernel = two_layers().get_weights()[0]
    np.testing.assert_allclose(decayed[0] - plain[0], -kernel * 0.9 * 0.01, rtol=0.1, atol=1e-5)
    np.testing.assert_array_equal(decayed[1], plain[1])
    assert [is_vector(shape) for shape in ((5,), (1, 1, 1, 8), (4, 5), (3, 3, 8, 1))] == [True, True, False, False]


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_build_optimizer__keeps_an_average_of_the_weights(name: str) -> None:
    averaged = PLAIN.model_copy(update={"optimizer": name, "ema_momentum": 0.5})
    model = two_layers()
    optimizer = build_optimizer(averaged, 0.01, [1.0] * 4, model.trainable_variables)
    assert sum(variable.path.endswith("_average") for variable in optimizer.variables) == 4


def test_train__in_parts_is_the_step_with_the_whole_batch() -> None:
    """Clipping and averages see the sum of the parts: their number changes nothing but rounding."""
    settings = PLAIN.model_copy(update={"gradient_clip": 0.05, "ema_momentum": 0.9, "weight_decay": 1e-2})
    whole = moved(settings, [1.0] * 4, steps=5)
    for parts in (2, 3, 8):
        for one, other in zip(whole, moved(settings, [1.0] * 4, parts=parts, steps=5), strict=True):
            np.testing.assert_allclose(other, one, atol=2e-6)


def test_build_optimizer__scales_the_loss_and_not_the_step() -> None:
    clipped = PLAIN.model_copy(update={"gradient_clip": 0.05, "ema_momentum": 0.9})
    plain = moved(clipped, [1.0] * 4, steps=2)
    for parts in (1, 2):
        for one, other in zip(plain, moved(clipped, [1.0] * 4, parts=parts, steps=2, scale_loss=True), strict=True):
            np.testing.assert_allclose(other, one, atol=2e-6)


def test_train__weighs_photos_where_the_batch_says_so() -> None:
    import tensorflow as tf

    model = two_layers()
    before = model.get_weights()
    optimizer = build_optimizer(PLAIN, 0.01, [1.0] * 4, model.trainable_variables)
    sums = Steps(model, optimizer, LOSS, tf.distribute.get_strategy()).train((*batch(), tf.zeros(7)), 1).numpy()
    assert sums[0] == 0
    assert sums[2] == 7
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_evaluate__counts_every_photo_once_however_batches_are_cut() -> None:
    import tensorflow as tf

    model = two_layers()
    steps = Steps(
        model, build_optimizer(PLAIN, 0.01, [1.0] * 4, model.trainable_variables), LOSS, tf.distribute.get_strategy()
    )
    inputs, labels = batch(11)
    pieces = [(inputs[:8], labels[:8]), (inputs[8:], labels[8:])]
    logits = model(inputs).numpy()
    right = np.mean(logits.argmax(axis=1) == labels.numpy().argmax(axis=1))
    for parts in (1, 3):
        loss, accuracy = steps.evaluate(pieces, parts)
        assert accuracy == pytest.approx(right)
        assert loss == pytest.approx(float(np.mean(LOSS(labels, logits))), rel=1e-5)
