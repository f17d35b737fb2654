"""None of these: scores that need probabilities alone, a threshold that holds its rate, AUROC as scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from mushroom_tasks.learning.evaluation.unknown import SCORES, auroc, aurocs, fit_threshold, refused, score_of


def test_score_of__is_as_computed_by_hand() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1]])
    logarithms = np.log([0.7, 0.2, 0.1])
    expected = {
        "max probability": 0.7,
        "margin": 0.5,
        "negative entropy": float((np.array([0.7, 0.2, 0.1]) * logarithms).sum()),
        "centred energy": float(-logarithms.mean()),
    }
    assert {score: score_of(score, probabilities)[0] for score in SCORES} == pytest.approx(expected)


def test_score_of__centred_energy_is_that_of_the_logits() -> None:
    logits = np.random.default_rng(0).normal(3, 2, (50, 8))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    energy = np.log(np.exp(logits - logits.mean(axis=1, keepdims=True)).sum(axis=1))
    np.testing.assert_allclose(score_of("centred energy", probabilities), energy)


@pytest.mark.parametrize("score", SCORES)
def test_score_of__ranks_a_sure_answer_above_a_doubtful_one(score: str) -> None:
    sure, doubtful = score_of(score, np.array([[0.98, 0.01, 0.01], [0.4, 0.3, 0.3]]))  # type: ignore[arg-type]
    assert sure > doubtful


def test_auroc__agrees_with_scikit_learn_ties_included() -> None:
    random = np.random.default_rng(1)
    known, refusable = random.integers(3, 12, 80).astype(float), random.integers(0, 9, 50).astype(float)
    truth = np.r_[np.ones(80), np.zeros(50)]
    assert auroc(known, refusable) == pytest.approx(roc_auc_score(truth, np.r_[known, refusable]))


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=80), st.floats(0.5, 0.99))
def test_fit_threshold__lets_the_wanted_share_pass(scores: list[float], accepted: float) -> None:
    values = np.array(scores)
    assert (values >= fit_threshold(values, accepted)).mean() >= accepted - 1e-9


def test_fit_threshold__refuses_as_many_as_it_may() -> None:
    values = np.arange(100.0)
    assert (values >= fit_threshold(values, 0.95)).mean() == 0.95
    assert fit_threshold(np.empty(0), 0.95) == 0


def test_aurocs__are_not_told_of_a_handful_of_photos() -> None:
    probabilities = np.full((10, 3), 1 / 3)
    assert aurocs(probabilities, probabilities[:4]) is None
    assert aurocs(probabilities[:0], probabilities) is None
    found = aurocs(probabilities, probabilities)
    assert found == dict.fromkeys(SCORES, pytest.approx(0.5))


def test_refused__counts_photos_below_the_threshold() -> None:
    known = np.array([[0.9, 0.1], [0.8, 0.2]])
    found = refused("max probability", 0.75, known, np.array([[0.6, 0.4], [0.85, 0.15]]))
    assert found is not None
    assert (found.photos, found.refused, found.auroc) == (2, 0.5, 0.75)
    assert refused("max probability", 0.75, known, known[:0]) is None
