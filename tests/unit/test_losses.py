"""The loss: smoothing as Keras has it, and logits that make up for unequal classes."""

from __future__ import annotations

import numpy as np
import pytest

from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning.losses import ClassificationLoss

LOGITS = np.array([[2.0, 0.0, -1.0], [0.5, 0.5, 3.0]], np.float32)
LABELS = np.array([[1, 0, 0], [0, 0.25, 0.75]], np.float32)
SHARES = np.array([0.7, 0.2, 0.1])


def test_loss__smooths_labels_as_keras_does() -> None:
    import keras

    loss = ClassificationLoss.of(SHARES, smoothing=0.1, adjustment=0.0)
    keras_loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1, reduction=None)
    np.testing.assert_allclose(loss(LABELS, LOGITS), keras_loss(LABELS, LOGITS), rtol=1e-6)


def test_loss__with_adjustment_one_is_balanced_softmax() -> None:
    counts = SHARES * 50
    weighed = counts * np.exp(LOGITS.astype(float))
    expected = -(LABELS * np.log(weighed / weighed.sum(axis=1, keepdims=True))).sum(axis=1)
    loss = ClassificationLoss.of(SHARES, smoothing=0.0, adjustment=1.0)
    np.testing.assert_allclose(loss(LABELS, LOGITS), expected, rtol=1e-5)


def test_loss__asks_more_of_rare_classes() -> None:
    even = np.zeros((3, 3), np.float32)
    losses = np.asarray(ClassificationLoss.of(SHARES, 0.0, 0.5)(np.eye(3, dtype=np.float32), even))
    assert losses[0] < np.log(3) < losses[2]
    assert losses[0] < losses[1] < losses[2]


def test_loss__refuses_to_adjust_for_class_that_is_never_seen() -> None:
    with pytest.raises(LearningError, match=r"every class. Received: shares \[1.0, 0.0\]"):
        ClassificationLoss.of(np.array([1.0, 0.0]), 0.0, 1.0)
