"""FungiCLEF's cost of taking poisonous species for others, where some are documented and others are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mushroom_tasks.learning.evaluation.poison import poison_cost

DEADLY, POISONOUS, UNLISTED, SUSPECTED = range(4)
CLASSES = ["Amanita phalloides", "Hypholoma fasciculare", "Boletus edulis", "Morchella esculenta"]


def test_poison_cost__weighs_a_missed_poison_a_hundred_times_a_false_alarm() -> None:
    labels = np.array([DEADLY, POISONOUS, UNLISTED, UNLISTED])
    predicted = np.array([UNLISTED, UNLISTED, DEADLY, UNLISTED])
    found = poison_cost(predicted, labels, CLASSES)
    assert found.cost == pytest.approx((2 * 100 + 1) / 4)
    assert (found.poisonous_photos, found.missed, found.false_alarms) == (2, 2, 1)
    assert (found.deadly_photos, found.deadly_missed) == (1, 1)
    assert found.poisonous == ("Amanita phalloides", "Hypholoma fasciculare")


def test_poison_cost__of_mistakes_among_poisonous_species_is_nothing() -> None:
    found = poison_cost(np.array([POISONOUS, DEADLY]), np.array([DEADLY, POISONOUS]), CLASSES)
    assert (found.cost, found.missed, found.deadly_missed) == (0, 0, 0)


def test_poison_cost__counts_what_is_only_suspected_as_not_poisonous_but_as_documented() -> None:
    found = poison_cost(np.array([UNLISTED]), np.array([SUSPECTED]), CLASSES)
    assert found.cost == 0
    assert found.not_documented == 1


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_poison_cost__is_between_nothing_and_a_hundred(pairs: list[tuple[int, int]]) -> None:
    predicted, labels = (np.array(side) for side in zip(*pairs, strict=True))
    assert 0 <= poison_cost(predicted, labels, CLASSES).cost <= 100
    assert poison_cost(labels, labels, CLASSES).cost == 0
