"""Distances between photos, who counts as one person, and how far a photo has to reach for enough people."""

from __future__ import annotations

import numpy as np
import pytest

from mushroom_tasks.curation.features import unit
from mushroom_tasks.curation.pruning.neighbours import UNRELATED, distances, k_distances, persons


def test_distances__agree_with_the_definition() -> None:
    features = unit(np.random.default_rng(0).normal(size=(300, 8)))
    near = distances(features[:50], features)
    expected = np.linalg.norm(features[:50, None] - features[None, :], axis=2)
    assert near.shape == (50, 300)
    assert np.allclose(near, expected, atol=1e-3)


def test_unit__keeps_directions_and_takes_features_without_any() -> None:
    features = unit(np.array([[3.0, 4.0], [0.0, 1e-20], [0.0, 0.0]]))
    assert np.allclose(features, [[0.6, 0.8], [0, 1], [0, 0]])
    assert features.dtype == np.float32


def test_persons__photos_of_one_observer_are_one_person() -> None:
    assert persons(np.array([7, 9, 7, 4, 9]), least=2).tolist() == [1, 2, 1, 0, 2]


def test_persons__each_photo_counts_where_one_observer_took_most() -> None:
    person = persons(np.array([7, 7, 7, 4, 4]), least=2)
    assert len(set(person[:3])) == 3
    assert person[3] == person[4]


def test_persons__each_photo_counts_where_there_are_too_few_people() -> None:
    assert len(set(persons(np.array([7, 7, 4, 4]), least=3))) == 4


NEAR = np.array([[0, 0.5, 0.6, 1.0], [0.5, 0, 0.3, 0.9], [0.6, 0.3, 0, 0.8], [1.0, 0.9, 0.8, 0]], np.float32)


@pytest.mark.parametrize(("others", "expected"), [(1, [0.5, 0.5, 0.6, 0.8]), (2, [1.0, 0.9, 0.8, 1.0])])
def test_k_distances__reach_to_other_people(others: int, expected: list[float]) -> None:
    people = np.array([0, 1, 1, 2])
    assert np.allclose(k_distances(NEAR, people, people, others=others, twin=0.0), expected)


def test_k_distances__too_few_people_are_no_support() -> None:
    people = np.array([0, 1, 1, 2])
    assert (k_distances(NEAR, people, people, others=3, twin=0.0) == UNRELATED).all()


def test_k_distances__the_same_picture_again_vouches_for_nothing() -> None:
    people = np.arange(4)
    assert np.allclose(k_distances(NEAR, people, people, others=1, twin=0.4), [0.5, 0.5, 0.6, 0.8])


def test_k_distances__strangers_are_compared_with_everybody() -> None:
    reach = k_distances(NEAR[:2], np.array([-1, -1]), np.arange(4), others=1, twin=0.01)
    assert np.allclose(reach, [0.5, 0.3])
