"""answering: what is shown of a model's answer; the same numbers as the evaluation's that they were fitted with."""

from __future__ import annotations

import numpy as np
import pytest

from mushroom_tasks.learning.evaluation import calibration, unknown
from mushroom_tasks.mobile.answering import Group, best_group, is_none_of_these, sureness, tempered
from mushroom_tasks.mobile.schema import Calibration, RankThreshold, Species, Unknown

ANSWERS = np.random.default_rng(1).dirichlet(np.full(6, 0.3), 20).astype(np.float32)
ANSWERS[0] = [1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_tempered__is_what_the_evaluation_fitted(temperature):
    expected = calibration.tempered(ANSWERS, temperature)
    assert np.array([tempered(answer, temperature) for answer in ANSWERS]) == pytest.approx(expected)


@pytest.mark.parametrize("score", unknown.SCORES)
def test_sureness__is_what_the_evaluation_fitted(score):
    found = [sureness(score, answer.astype(np.float64)) for answer in ANSWERS]
    assert found == pytest.approx(unknown.score_of(score, ANSWERS), rel=1e-5, abs=1e-6)


def test_is_none_of_these__below_the_threshold_alone():
    half = Unknown(score="max probability", threshold=0.5, accepted=0.95)
    assert is_none_of_these(half, np.array([0.4, 0.3, 0.3])) is True
    assert is_none_of_these(half, np.array([0.5, 0.5])) is False
    assert is_none_of_these(None, np.array([0.4, 0.6])) is None


def _species(index: int, name: str, genus: str | None) -> Species:
    taxonomy = [{"taxon_id": 1, "rank": "genus", "name": genus}] if genus else []
    return Species(index=index, taxon_id=index, scientific_name=name, rank="species", taxonomy=taxonomy)


SPECIES = [_species(0, "A a", "A"), _species(1, "A b", "A"), _species(2, "B c", None)]


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ([0.9, 0.05, 0.05], Group("species", "A a", 0.9)),
        ([0.5, 0.4, 0.1], Group("genus", "A", pytest.approx(0.9))),
        ([0.1, 0.1, 0.8], Group("genus", "B c", 0.8)),
        ([0.3, 0.3, 0.4], None),
    ],
)
def test_best_group__is_the_lowest_rank_that_is_sure_enough(probabilities, expected):
    ranks = (RankThreshold(rank="species", threshold=0.85), RankThreshold(rank="genus", threshold=0.7))
    assert best_group(Calibration(ranks=ranks), SPECIES, np.array(probabilities)) == expected


def test_best_group__leaves_out_ranks_that_nobody_can_promise():
    ranks = (RankThreshold(rank="species", threshold=None), RankThreshold(rank="genus", threshold=0.1))
    found = best_group(Calibration(ranks=ranks), SPECIES, np.array([0.9, 0.05, 0.05]))
    assert found == Group("genus", "A", pytest.approx(0.95))
    assert best_group(Calibration(), SPECIES, np.array([1.0, 0, 0])) is None
