"""Genus and family where the species is unsure: sums, thresholds that keep their promise, and what is reported."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mushroom_tasks.learning.evaluation.taxonomy import Ladder, answers, fit_thresholds, lowest_threshold

CLASSES = ["Amanita a", "Amanita b", "Boletus c", "Xerocomus d"]


def entry(name: str, family: str) -> dict[str, object]:
    steps = [{"rank": "kingdom", "name": "Fungi"}, {"rank": "family", "name": family}]
    return {"scientific_name": name, "taxonomy": [*steps, {"rank": "genus", "name": name.split()[0]}]}


SPECIES = [entry(name, "Amanitaceae" if name[0] == "A" else "Boletaceae") for name in CLASSES]


def test_ladder__sums_probabilities_of_a_genus_and_a_family() -> None:
    ladder = Ladder.of(SPECIES, CLASSES)
    probabilities = np.array([[0.3, 0.3, 0.2, 0.2]])
    assert ladder.names["genus"] == ("Amanita", "Boletus", "Xerocomus")
    np.testing.assert_allclose(ladder.summed(probabilities, "genus"), [[0.6, 0.2, 0.2]])
    np.testing.assert_allclose(ladder.summed(probabilities, "family"), [[0.6, 0.4]])
    np.testing.assert_allclose(ladder.summed(probabilities, "species"), probabilities)


def test_ladder__takes_a_class_of_unknown_taxonomy_for_a_group_of_its_own() -> None:
    ladder = Ladder.of([], CLASSES)
    np.testing.assert_allclose(ladder.summed(np.eye(4), "family"), np.eye(4))


def test_ladder__orders_classes_by_family_and_genus() -> None:
    shuffled = [CLASSES[index] for index in (2, 0, 3, 1)]
    order = Ladder.of(SPECIES, shuffled).order()
    assert [shuffled[index] for index in order] == CLASSES


def test_lowest_threshold__is_the_lowest_that_keeps_the_rate() -> None:
    confidence = np.linspace(1, 0.01, 100)
    right = np.arange(100) % 10 != 9  # every tenth is wrong, all the way down
    assert lowest_threshold(confidence, right, 0.9) == pytest.approx(confidence[-1])
    right[60:] = False
    assert lowest_threshold(confidence, right, 0.9) == pytest.approx(confidence[59])


def test_lowest_threshold__promises_nothing_on_a_handful_of_photos() -> None:
    assert lowest_threshold(np.linspace(1, 0.5, 9), np.ones(9, np.bool_), 0.9) is None
    assert lowest_threshold(np.empty(0), np.empty(0, np.bool_), 0.9) is None


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.9, 1.0]), st.booleans()), max_size=60), st.floats(0.5, 0.99))
def test_lowest_threshold__keeps_its_promise(photos: list[tuple[float, bool]], wanted: float) -> None:
    confidence, right = np.array([c for c, _ in photos]), np.array([r for _, r in photos], np.bool_)
    found = lowest_threshold(confidence, right, wanted)
    if found is not None:
        assert right[confidence >= found].mean() >= wanted - 1e-12


def test_answers__go_up_the_ladder_until_sure() -> None:
    ladder = Ladder.of(SPECIES, CLASSES)
    probabilities = np.array([[0.95, 0.05, 0, 0], [0.5, 0.45, 0.05, 0], [0.02, 0.03, 0.5, 0.45], [0.3, 0.2, 0.3, 0.2]])
    labels = np.array([0, 1, 3, 2])
    thresholds = {"species": 0.9, "genus": 0.9, "family": 0.9}
    found = answers(ladder, probabilities, labels, thresholds, 0.9)
    assert [(one.rank, one.photos, one.right) for one in found.ranks] == [
        ("species", 1, 1.0), ("genus", 1, 1.0), ("family", 1, 1.0),
    ]  # fmt: skip
    assert (found.answered, found.right) == (0.75, 1.0)
    assert [one.top1 for one in found.ranks] == [0.25, 0.5, 0.75]


def test_answers__skip_a_rank_without_threshold() -> None:
    ladder = Ladder.of(SPECIES, CLASSES)
    found = answers(ladder, np.eye(4), np.arange(4), {"species": None, "genus": 0.9, "family": 0.9}, 0.9)
    assert [(one.photos, one.right) for one in found.ranks] == [(0, None), (4, 1.0), (0, None)]


def test_fit_thresholds__leave_to_the_genus_what_the_species_leaves() -> None:
    ladder = Ladder.of(SPECIES, CLASSES)
    sure, torn = [0.97, 0.01, 0.01, 0.01], [0.48, 0.48, 0.02, 0.02]
    probabilities, labels = np.array([sure] * 20 + [torn] * 20), np.array([0] * 20 + [0, 1] * 10)
    found = fit_thresholds(ladder, probabilities, labels, 0.9)
    assert found == {"species": pytest.approx(0.97), "genus": pytest.approx(0.96), "family": None}
