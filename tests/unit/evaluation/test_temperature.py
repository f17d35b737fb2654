"""Calibration: a planted temperature is found again, ECE is as defined, and scaling never changes an answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mushroom_tasks.learning.evaluation.calibration import calibrated, fit_temperature, reliability, tempered


def honest(count: int = 20_000, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities by which the labels were drawn."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, 6))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probabilities, (logits + random.gumbel(size=logits.shape)).argmax(axis=1)


@pytest.mark.parametrize("planted", [0.4, 1.0, 2.5])
def test_fit_temperature__finds_the_planted_one(planted: float) -> None:
    probabilities, labels = honest()
    too_sure = tempered(probabilities, 1 / planted)  # logits times the planted temperature
    assert fit_temperature(too_sure, labels) == pytest.approx(planted, rel=0.03)


def test_fit_temperature__is_where_the_likelihood_is_highest() -> None:
    probabilities, labels = honest(300)
    found = fit_temperature(probabilities, labels)
    best = reliability(tempered(probabilities, found), labels).nll
    for other in (0.9, 0.99, 1.01, 1.1):
        assert reliability(tempered(probabilities, found * other), labels).nll > best


@pytest.mark.parametrize(("shift", "expected"), [(0, 0.05), (1, 20.0)])
def test_fit_temperature__ends_where_all_photos_are_right_or_none_is(shift: int, expected: float) -> None:
    labels = np.arange(30) % 3
    probabilities = np.full((30, 3), 0.1)
    probabilities[np.arange(30), (labels + shift) % 3] = 0.8
    assert fit_temperature(probabilities, labels) == pytest.approx(expected, rel=0.1)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.05, 20), st.integers(0, 2**32 - 1))
def test_tempered__adds_up_to_one_and_keeps_the_order_of_classes(temperature: float, seed: int) -> None:
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(5), 8).astype(np.float32)
    found = tempered(probabilities, temperature)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found.argmax(axis=1) == probabilities.argmax(axis=1)).all()


def test_tempered__copes_with_probabilities_rounded_to_nothing() -> None:
    assert np.isfinite(tempered(np.array([[1.0, 0.0]], np.float32), 0.05)).all()


def test_reliability__is_as_computed_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.3, 0.7]])
    found = reliability(probabilities, np.array([0, 1, 1, 1]))
    # 0.9 twice, one of them right; 0.6 and 0.7 right, in bins of their own
    assert found.ece == pytest.approx((2 * abs(0.9 - 0.5) + 0.4 + 0.3) / 4)
    assert found.nll == pytest.approx(-np.mean(np.log([0.9, 0.1, 0.6, 0.7])))
    assert found.brier == pytest.approx(np.mean([0.02, 1.62, 0.32, 0.18]))
    assert [one.photos for one in found.bins if one.photos] == [1, 1, 2]
    assert found.bins[13].confidence == pytest.approx(0.9)
    assert found.bins[13].accuracy == 0.5
    assert found.bins[0].accuracy is None


def test_reliability__of_honest_probabilities_is_near_nothing() -> None:
    found = reliability(*honest())
    assert found.ece < 0.015
    assert found.adaptive_ece < 0.015


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_reliability__puts_each_photo_in_one_bin(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    found = reliability(random.dirichlet(np.ones(3), count), random.integers(0, 3, count))
    assert sum(one.photos for one in found.bins) == count
    assert 0 <= found.ece <= 1
    for one in found.bins:
        assert one.confidence is None or one.lower - 1e-9 <= one.confidence <= one.upper + 1e-9


def test_calibrated__mends_photos_that_it_was_not_fitted_on() -> None:
    validation, test = honest(4000, 1), honest(4000, 2)
    found = calibrated((tempered(validation[0], 3), validation[1]), (tempered(test[0], 3), test[1]))
    assert found.temperature == pytest.approx(1 / 3, rel=0.05)
    assert found.after.ece < 0.03 < found.before.ece
    assert found.photos == 4000


def test_calibrated__without_validation_photos_changes_nothing() -> None:
    probabilities, labels = honest(50)
    found = calibrated((probabilities[:0], labels[:0]), (probabilities, labels))
    assert (found.temperature, found.photos) == (1, 0)
    assert found.after.ece == pytest.approx(found.before.ece)
