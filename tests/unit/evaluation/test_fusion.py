"""Several photos of one observation: fusing beats a single photo, and the way is chosen by likelihood."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mushroom_tasks.learning.evaluation.fusion import choose, fuse, fusion


def observed(seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.str_]]:
    """200 observations of three photos each, whose noise is independent."""
    random = np.random.default_rng(seed)
    labels = np.repeat(random.integers(0, 5, 200), 3)
    logits = random.normal(0, 1, (600, 5))
    logits[np.arange(600), labels] += 1
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probabilities, labels, np.repeat(np.arange(200), 3).astype(str)


def test_fuse__takes_the_mean_of_each_kind() -> None:
    probabilities = np.array([[0.8, 0.2], [0.4, 0.6], [0.5, 0.5]])
    numbers = np.array([0, 0, 1])
    plain = fuse(probabilities, numbers, "mean of probabilities")
    np.testing.assert_allclose(plain, [[0.6, 0.4], [0.5, 0.5]])
    product = np.sqrt([0.8 * 0.4, 0.2 * 0.6])
    logarithmic = fuse(probabilities, numbers, "mean of log-probabilities")
    np.testing.assert_allclose(logarithmic, [product / product.sum(), [0.5, 0.5]])


def test_fusion__beats_a_single_photo() -> None:
    found = fusion(*observed(), "mean of log-probabilities")
    assert found is not None
    assert (found.observations, found.photos) == (200, 600)
    assert found.gain > 0.1
    assert found.fused_top1 == pytest.approx(found.single_top1 + found.gain)
    assert found.all_top1 == found.fused_top1


def test_fusion__counts_single_photos_only_where_all_observations_count() -> None:
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.9, 0.1]])
    found = fusion(probabilities, np.array([0, 0, 0, 1]), np.array(["x", "x", "x", "y"]), "mean of probabilities")
    assert found is not None
    assert (found.observations, found.photos, found.all_observations) == (1, 3, 2)
    assert found.single_top1 == pytest.approx(2 / 3)
    assert (found.fused_top1, found.all_top1) == (1, 0.5)


def test_fusion__tells_photos_apart_that_have_another_label() -> None:
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9]])
    assert fusion(probabilities, np.array([0, 1]), np.array(["x", "x"]), "mean of probabilities") is None


def test_choose__takes_what_is_likelier_on_the_photos_given() -> None:
    assert choose(*observed()) == "mean of log-probabilities"  # independent and calibrated: the product is right
    one_is_sure_and_wrong = np.tile([[1e-9, 1 - 1e-9], [0.9, 0.1], [0.9, 0.1]], (20, 1))
    labels, observations = np.zeros(60, np.int64), np.repeat(np.arange(20), 3).astype(str)
    assert choose(one_is_sure_and_wrong, labels, observations) == "mean of probabilities"


def test_choose__without_observations_of_several_photos_takes_the_first() -> None:
    assert choose(np.array([[0.5, 0.5]]), np.array([0]), np.array(["x"])) == "mean of log-probabilities"
