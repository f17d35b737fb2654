"""Balance: what an epoch shows of each class, in which order, and what each class weighs."""

from __future__ import annotations

import numpy as np
import pytest

from mushroom_tasks.learning.balance import class_prior, class_weights, epoch_order
from mushroom_tasks.settings import BalanceSettings

COUNTS = (400, 100, 30)
LABELS = np.repeat(np.arange(3), COUNTS)
AS_THEY_ARE, SAMPLING, WEIGHTS = (BalanceSettings(balance=name) for name in ("none", "sampling", "weights"))


def counts(settings: BalanceSettings, seed: int, epoch: int) -> np.ndarray:
    return np.bincount(LABELS[epoch_order(LABELS, 3, settings, seed, epoch)], minlength=3)


@pytest.mark.parametrize("settings", [AS_THEY_ARE, WEIGHTS, SAMPLING])
def test_epoch_order__is_a_function_of_seed_and_epoch(settings: BalanceSettings) -> None:
    first, again, later, other = (
        epoch_order(LABELS, 3, settings, seed, epoch).tolist() for seed, epoch in ((1, 0), (1, 0), (1, 1), (2, 0))
    )
    assert first == again
    assert len(first) == len(later) == len(LABELS)
    assert first != later
    assert first != other
    assert first != sorted(first)


@pytest.mark.parametrize(
    "settings", [AS_THEY_ARE, WEIGHTS, BalanceSettings(balance="sampling", balance_exponent=1)], ids=repr
)
def test_epoch_order__shows_every_photo_once_where_classes_stay_as_they_are(settings: BalanceSettings) -> None:
    assert sorted(epoch_order(LABELS, 3, settings, 7, 3).tolist()) == list(range(len(LABELS)))


@pytest.mark.parametrize("exponent", [0.0, 0.5, 0.8])
def test_epoch_order__shows_each_class_as_often_as_its_share_says(exponent: float) -> None:
    settings = BalanceSettings(balance="sampling", balance_exponent=exponent)
    expected = class_prior(LABELS, 3, settings) * len(LABELS)
    np.testing.assert_allclose(expected / expected[2], (np.array(COUNTS) / 30) ** exponent)
    seen = np.array([counts(settings, 1, epoch) for epoch in range(300)])
    assert (seen.sum(axis=1) == len(LABELS)).all()
    assert (np.abs(seen - expected) <= 1).all()
    np.testing.assert_allclose(seen.mean(axis=0), expected, atol=0.15)


def test_epoch_order__repeats_no_photo_before_its_class_is_through() -> None:
    times = np.bincount(epoch_order(LABELS, 3, SAMPLING, 1, 0), minlength=len(LABELS))
    for label in range(3):
        of_class = times[label == LABELS]
        assert of_class.max() - of_class.min() <= 1
    assert times[LABELS == 2].min() >= 2
    assert times[LABELS == 0].max() == 1


def test_epoch_order__shows_all_photos_of_a_large_class_over_the_epochs() -> None:
    shown = np.concatenate([epoch_order(LABELS, 3, SAMPLING, 1, epoch) for epoch in range(20)])
    assert set(shown.tolist()) == set(range(len(LABELS)))


def test_class_prior__is_that_of_the_data_set_unless_sampled() -> None:
    for settings in (AS_THEY_ARE, WEIGHTS):
        np.testing.assert_allclose(class_prior(LABELS, 3, settings), np.array(COUNTS) / sum(COUNTS))
    alike = BalanceSettings(balance="sampling", balance_exponent=0)
    np.testing.assert_allclose(class_prior(LABELS, 4, alike), [1 / 3, 1 / 3, 1 / 3, 0])  # a class without photos


def test_class_weights__follow_the_effective_number_of_samples() -> None:
    weights = class_weights(LABELS, 3, WEIGHTS)
    effective = [(1 - 0.99**count) / (1 - 0.99) for count in COUNTS]
    np.testing.assert_allclose(weights * effective, (weights * effective)[0], rtol=1e-5)
    assert weights[LABELS].mean() == pytest.approx(1, abs=1e-5)
    assert 3.5 < weights[2] / weights[0] < 4


def test_class_weights__are_one_without_weighing() -> None:
    for settings in (AS_THEY_ARE, SAMPLING, BalanceSettings(balance="weights", balance_beta=0)):
        np.testing.assert_array_equal(class_weights(LABELS, 3, settings), np.ones(3, np.float32))
