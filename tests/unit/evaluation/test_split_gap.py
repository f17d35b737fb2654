"""What a split by photo promises too much: nothing where observers do not matter, a lot where they do."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mushroom_tasks.learning.evaluation import compare_splits


def photographed(of_observer: float, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Three classes of ten observers with six photos each, whose features depend on the observer so much."""
    random = np.random.default_rng(seed)
    labels, observers = np.repeat(np.arange(3), 60), np.repeat(np.arange(30), 6)
    classes, people = random.normal(0, 1, (3, 24)), random.normal(0, of_observer, (30, 24))
    features = classes[labels] + people[observers] + random.normal(0, 0.5, (180, 24))
    return features.astype(np.float32), labels, observers


def test_compare_splits__shows_the_leak_of_photos_by_one_observer() -> None:
    found = compare_splits(*photographed(3.0), seed=1)
    assert found is not None
    assert found.photo_top1 > 0.95
    assert found.gap > 0.2
    assert found.gap == pytest.approx(found.photo_top1 - found.observer_top1)
    assert (found.photos, found.classes, found.folds) == (180, 3, 5)


def test_compare_splits__is_small_where_observers_do_not_matter() -> None:
    found = compare_splits(*photographed(0.0), seed=1)
    assert found is not None
    assert abs(found.gap) < 0.05


def test_compare_splits__leaves_out_classes_of_too_few_observers() -> None:
    features, labels, observers = photographed(0.0)
    observers[labels == 2] = 99
    found = compare_splits(features, labels, observers, seed=1)
    assert found is not None
    assert (found.classes, found.photos) == (2, 120)
    observers[labels == 1] = 98
    assert compare_splits(features, labels, observers, seed=1) is None


def test_compare_splits__draws_whole_classes_where_there_are_too_many_photos() -> None:
    found = compare_splits(*photographed(0.0), seed=1, most_photos=130)
    assert found is not None
    assert (found.classes, found.photos) == (2, 120)
