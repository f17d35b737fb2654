"""The head's batches: the same for the same seed, epoch and step, and not too many of them."""

from __future__ import annotations

import numpy as np
import pytest

from mushroom_tasks.learning.features import MOST_STEPS, FeatureBatches
from mushroom_tasks.settings import TrainingSettings

FEATURES = np.arange(22, dtype=np.float32).reshape(11, 2)
LABELS = np.array([0] * 8 + [1] * 2 + [2])


def batches(seed: int = 1, **told: object) -> FeatureBatches:
    settings = TrainingSettings.model_validate({"batch_size": 4, **told})
    return FeatureBatches(FEATURES, LABELS, 3, settings, seed)


def drawn(found: FeatureBatches, epoch: int, first_step: int = 0) -> list[list[float]]:
    return [features.numpy()[:, 0].tolist() for features, *_ in found.for_epoch(epoch, first_step)]


def test_for_epoch__is_the_same_for_seed_epoch_and_step() -> None:
    whole = drawn(batches(), 3)
    assert [len(one) for one in whole] == [4, 4, 3]
    assert batches().steps == 3
    assert sorted(value for one in whole for value in one) == FEATURES[:, 0].tolist()
    assert drawn(batches(), 3, first_step=1) == whole[1:]
    assert drawn(batches(), 4) != whole
    assert drawn(batches(seed=2), 3) != whole


def test_for_epoch__keeps_features_and_labels_together() -> None:
    for features, labels in batches().for_epoch(0):
        rows = (features.numpy()[:, 0] / 2).astype(int)
        np.testing.assert_array_equal(labels.numpy().argmax(axis=1), LABELS[rows])


def test_for_epoch__weighs_rare_classes_more_where_told() -> None:
    found = [
        zip(labels.numpy().argmax(axis=1), weights.numpy(), strict=True)
        for _, labels, weights in batches(balance="weights").for_epoch(0)
    ]
    by_class = dict(pair for one in found for pair in one)
    assert by_class[0] < by_class[1] < by_class[2]


@pytest.mark.parametrize(("photos", "size"), [(MOST_STEPS * 4, 4), (MOST_STEPS * 4 + 1, 8)])
def test_for_epoch__takes_larger_batches_where_an_epoch_would_have_too_many(photos: int, size: int) -> None:
    many = FeatureBatches(
        np.zeros((photos, 1), np.float32), np.zeros(photos, int), 3, TrainingSettings(batch_size=4), 1
    )
    features, _ = next(iter(many.for_epoch(0)))
    assert len(features) == size
    assert many.steps <= MOST_STEPS
