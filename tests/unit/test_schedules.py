"""Learning rates over a phase, and the patience that ends it."""

from __future__ import annotations

import math

import pytest

from mushroom_tasks.learning.schedules import Patience, rate_factor


def factors(steps: int, epochs: int, *, warm_up: float, cosine: bool) -> list[float]:
    options = {"steps_per_epoch": steps, "epochs": epochs}
    return [rate_factor(step, **options, warm_up=warm_up, cosine=cosine) for step in range(steps * epochs)]


def test_rate_factor__warms_up_then_falls() -> None:
    found = factors(10, 8, warm_up=1, cosine=True)
    assert found[0] == pytest.approx(0.1)
    assert found[9:11] == pytest.approx([1, 1], abs=0.01)
    assert found[10:] == sorted(found[10:], reverse=True)
    assert 0 < found[-1] < 0.01
    assert all(math.isfinite(factor) and 0 < factor <= 1 for factor in found)


def test_rate_factor__stays_after_the_warm_up_where_plateaus_lower_it() -> None:
    assert factors(4, 5, warm_up=0.5, cosine=False) == [0.5] + [1.0] * 19
    assert factors(4, 5, warm_up=0, cosine=False) == [1.0] * 20


def test_rate_factor__warms_up_for_a_fifth_of_the_phase_at_most() -> None:
    found = factors(10, 2, warm_up=100, cosine=False)
    assert found[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_rate_factor__copes_with_one_step() -> None:
    assert factors(1, 1, warm_up=1, cosine=True) == [1.0]


def test_patience__is_over_after_so_many_epochs_without_gain() -> None:
    patience = Patience(limit=2)
    assert [patience.is_over(loss) for loss in (3.0, 2.0, 2.0, 1.9, 1.9, 2.5)] == [False] * 5 + [True]
    assert [patience.is_over(loss) for loss in (2.0, 2.0)] == [False, True], "counting begins anew"


def test_patience__does_not_count_gains_too_small_to_matter() -> None:
    patience = Patience(limit=1, min_gain=0.1)
    assert [patience.is_over(loss) for loss in (1.0, 0.95, 0.8)] == [False, True, False]
