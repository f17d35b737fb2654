"""Metrics by hand and against scikit-learn: classes without photos, ties, and the pairs that are confused most."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score, top_k_accuracy_score

from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning.evaluation.metrics import metrics, risk_coverage
from mushroom_tasks.learning.evaluation.schema import Confused, Evaluation

CLASSES = ["a", "b", "c", "d", "e", "f", "g"]


def sure(predicted: list[int], count: int = 7) -> NDArray[np.float32]:
    """Probabilities that rank `predicted` first, and the other classes in order."""
    probabilities = np.tile(np.linspace(0.1, 0.05, count, dtype=np.float32), (len(predicted), 1))
    probabilities[np.arange(len(predicted)), predicted] = 0.9
    return probabilities


def judged(probabilities: NDArray[np.float32], labels: list[int], classes: list[str] = CLASSES) -> Evaluation:
    """Metrics of photos 100, 101, ..."""
    return metrics(probabilities, np.array(labels, np.int64), classes, 100 + np.arange(len(labels)))


def test_metrics__equal_those_by_hand() -> None:
    found = judged(sure([0, 0, 1, 1, 6]), [0, 1, 1, 2, 5])
    assert found.photos == 5
    assert found.top1 == pytest.approx(2 / 5)
    assert found.top3 == pytest.approx(4 / 5)  # the fourth photo's c is third, after b and a
    assert found.top5 == pytest.approx(4 / 5)  # f is last but one
    a, b, c = found.classes[:3]
    assert (a.support, a.precision, a.recall) == (1, 0.5, 1.0)
    assert (b.support, b.precision, b.recall, b.f1) == (2, 0.5, 0.5, 0.5)
    assert (c.support, c.precision, c.recall, c.f1) == (1, None, 0.0, 0.0)
    assert found.macro_f1 == pytest.approx((2 / 3 + 0.5 + 0 + 0) / 4)
    assert np.array(found.confusion).sum() == 5
    assert found.confusion[1] == (1, 1, 0, 0, 0, 0, 0)


def test_metrics__cope_with_class_without_photos() -> None:
    found = judged(sure([0, 3]), [0, 0])
    absent = found.classes[3]
    assert (absent.support, absent.precision, absent.recall, absent.f1) == (0, 0.0, None, None)
    assert found.macro_f1 == pytest.approx(2 / 3)


def test_metrics__name_most_confused_pairs_first() -> None:
    probabilities = sure([1, 1, 0, 2])
    probabilities[1, 1] = 0.95
    found = judged(probabilities, [0, 0, 1, 2])
    assert found.confused == (
        Confused(true="a", predicted="b", photos=2, photo_ids=(101, 100)),  # the surest first
        Confused(true="b", predicted="a", photos=1, photo_ids=(102,)),
    )


def test_metrics__cope_with_fewer_classes_than_five() -> None:
    found = judged(sure([0, 1], 2), [1, 1], ["a", "b"])
    assert (found.top1, found.top3, found.top5) == (0.5, 1.0, 1.0)


def test_metrics__refuse_no_photos_and_wrong_shapes() -> None:
    with pytest.raises(LearningError, match="at least one photo"):
        judged(np.empty((0, 7), np.float32), [])
    with pytest.raises(LearningError, match=r"probabilities \(1, 3\), 1 labels, 7 classes"):
        judged(sure([0], 3), [0])


def test_metrics__agree_with_scikit_learn() -> None:
    random = np.random.default_rng(0)
    labels = np.append(random.integers(0, 7, 193), np.arange(7))
    probabilities = random.dirichlet(np.ones(7), 200).astype(np.float32)
    predicted = probabilities.argmax(axis=1)
    found = metrics(probabilities, labels, CLASSES, np.arange(200))
    assert found.confusion == tuple(map(tuple, confusion_matrix(labels, predicted).tolist()))
    assert found.macro_f1 == pytest.approx(f1_score(labels, predicted, average="macro"))
    for of_ours, theirs in (("precision", precision_score), ("recall", recall_score)):
        assert [getattr(one, of_ours) for one in found.classes] == pytest.approx(
            theirs(labels, predicted, average=None)
        )
    for name, k in (("top1", 1), ("top3", 3), ("top5", 5)):
        assert getattr(found, name) == pytest.approx(top_k_accuracy_score(labels, probabilities, k=k))


def test_risk_coverage__judges_the_surest_photos_first() -> None:
    confidence = np.arange(100, 0, -1) / 100
    right = np.arange(100) < 80  # the twenty least sure are wrong
    points = risk_coverage(confidence, right)
    assert [one.coverage for one in points] == pytest.approx(np.linspace(0.05, 1, 20))
    assert [one.risk for one in points[:16]] == [0] * 16
    assert points[-1].risk == pytest.approx(0.2)
    assert points[0].confidence == pytest.approx(0.96)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_risk_coverage__ends_at_the_error_of_all(photos: list[tuple[float, bool]]) -> None:
    confidence, right = np.array([c for c, _ in photos]), np.array([r for _, r in photos], np.bool_)
    points = risk_coverage(confidence, right)
    assert points[-1].coverage == 1
    assert points[-1].risk == pytest.approx(1 - right.mean())
    confidences = [one.confidence for one in points]
    assert confidences == sorted(confidences, reverse=True)
