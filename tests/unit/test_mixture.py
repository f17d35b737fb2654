"""Two populations by one score: where the border lies, and when there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mushroom_tasks.curation.pruning.mixture import BORDER, Mixture, fit, unimodal


def scores(typical: int, junk: int, distance: float = 7.0, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.concatenate([random.normal(size=typical), distance + random.normal(size=junk)])


def settled(values: np.ndarray) -> Mixture:
    mixture = fit(values)
    return mixture if mixture.is_separated else unimodal(values)


@pytest.mark.parametrize("junk", [20, 60, 150, 430, 700])
def test_fit__puts_the_border_between_two_humps_whatever_the_share(junk: int) -> None:
    values = scores(1000, junk)
    is_junk = fit(values).probability(values) > BORDER
    assert is_junk[1000:].mean() >= 0.97
    assert is_junk[:1000].mean() <= 0.01


def test_fit__border_moves_outwards_as_junk_gets_rarer() -> None:
    grid = np.linspace(0, 7, 701)
    borders = [grid[(fit(scores(4000, junk, 5)).probability(grid) > BORDER).argmax()] for junk in (100, 400, 1600)]
    assert borders[0] > borders[1] > borders[2]


@pytest.mark.parametrize("seed", range(10))
def test_fit__sees_no_two_populations_in_one(seed: int) -> None:
    values = scores(1200, 0, seed=seed)
    assert not fit(values).is_separated
    assert np.mean(settled(values).probability(values) > BORDER) <= 0.005


def test_unimodal__single_photos_far_outside_stand_out() -> None:
    values = np.append(scores(1000, 0), [30.0, 40.0])
    assert (unimodal(values).probability(values)[-2:] > BORDER).all()


def test_fit__takes_equal_scores() -> None:
    assert (settled(np.zeros(50)).probability(np.zeros(50)) < BORDER).all()
    assert not fit(np.array([3.0])).is_separated


def test_fit__takes_more_scores_than_it_looks_at() -> None:
    mixture = fit(scores(100_000, 8000))
    assert mixture.share == pytest.approx(8000 / 108_000, rel=0.05)
    assert mixture.junk == pytest.approx(7, abs=0.1)


def test_unimodal__rare_is_one_in_a_hundred() -> None:
    values = scores(50_000, 0)
    assert np.mean(values > unimodal(values).rare) == pytest.approx(0.01, abs=0.002)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_fit__probability_never_falls_as_the_score_rises(values: list[float]) -> None:
    mixture = fit(np.array(values))
    probability = mixture.probability(np.linspace(min(values), max(values), 50))
    assert ((probability >= 0) & (probability <= 1)).all()
    assert (np.diff(probability) >= -1e-12).all()
