"""Probabilities from logits: what a temperature mends, and what it may not touch."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mushroom_tasks.curation.labels.calibration import brier, probabilities, temperature


def honest(count: int = 20_000) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logits whose probabilities are those by which the labels were drawn."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (count, 5)).astype(np.float32)
    drawn = logits + random.gumbel(size=logits.shape)
    return logits, drawn.argmax(axis=1)


@pytest.mark.parametrize("too_sure", [1e-3, 0.3, 1.0, 4.0, 1e4])
def test_temperature__undoes_any_scale(too_sure: float) -> None:
    logits, labels = honest()
    found = temperature(np.float32(too_sure) * logits, labels)
    assert found == pytest.approx(too_sure, rel=0.15)


def test_temperature__few_wrong_labels_do_not_make_all_doubtful() -> None:
    logits, labels = honest()
    sure = 6 * np.eye(5, dtype=np.float32)[labels] + logits
    wrong = labels.copy()
    wrong[:400] = (wrong[:400] + 1) % 5  # 2 %
    assert temperature(sure, wrong) == pytest.approx(temperature(sure, labels), rel=0.3)


def test_temperature__keeps_impossible_classes_impossible() -> None:
    logits, labels = honest(500)
    logits[labels != 4, 4] = -np.inf
    found = temperature(logits, labels)
    assert np.isfinite(found)
    assert (probabilities(logits / np.float32(found))[labels != 4, 4] == 0).all()


def test_probabilities__add_up_to_one_however_large_the_logits() -> None:
    share = probabilities(np.array([[1e4, 0, -1e4], [-np.inf, 3, 3]], np.float32))
    assert share.tolist() == [[1, 0, 0], [0, 0.5, 0.5]]


def test_brier__agrees_with_the_definition() -> None:
    logits, labels = honest(50)
    expected = np.sum((probabilities(logits) - np.eye(5)[labels]) ** 2, axis=1).mean()
    assert brier(logits, labels) == pytest.approx(expected, abs=1e-6)
    assert brier(np.array([[50, 0]], np.float32), np.array([1])) == pytest.approx(2, abs=1e-6)
