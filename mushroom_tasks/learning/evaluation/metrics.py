"""Accuracy, per class and over all, and the pairs that are confused most.

    found = metrics(probabilities, labels, classes, photo_ids)
    found.top1, found.macro_f1, found.confused[0].photo_ids

numpy alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning.evaluation.schema import ClassMetrics, Confused, Evaluation, RiskPoint

_MOST_CONFUSED = 10
_PHOTOS_SHOWN = 8  # of a confused pair
_COVERAGES = np.linspace(0.05, 1, 20)


def metrics(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64], classes: list[str], photo_ids: NDArray[np.int64]
) -> Evaluation:
    """Return the metrics of probabilities (N, C) against label indices (N,) of photos (N,); a class may lack photos.

    Raises LearningError where there are no photos, or shapes do not fit.
    """
    count = len(classes)
    if len(labels) == 0 or probabilities.shape != (len(labels), count):
        raise LearningError(
            f"metrics need at least one photo, and a probability per photo and class. Received: probabilities "
            f"{probabilities.shape}, {len(labels)} labels, {count} classes."
        )
    confusion = confusion_of(probabilities.argmax(axis=1), labels, count)
    per_class = tuple(_class_metrics(name, confusion, index) for index, name in enumerate(classes))
    order = np.argsort(-probabilities, axis=1, kind="stable")
    hits = order == labels[:, None]
    return Evaluation(
        photos=len(labels),
        top1=float(hits[:, :1].any(axis=1).mean()),
        top3=float(hits[:, :3].any(axis=1).mean()),
        top5=float(hits[:, :5].any(axis=1).mean()),
        macro_f1=macro_f1(confusion),
        classes=per_class,
        confused=_most_confused(probabilities, labels, classes, photo_ids, confusion),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def confusion_of(predicted: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Return the confusion matrix (C, C): a row per true, a column per predicted class, in photos."""
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    return confusion


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """Return the mean F1 of the classes that have photos."""
    support, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    there = support > 0
    return float(np.mean(2 * np.diag(confusion)[there] / (support + predicted)[there]))


def risk_coverage(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[RiskPoint, ...]:
    """Return the error among the surest 5 %, 10 % ... 100 % of photos (N,), and the confidence they have at least."""
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(~right[order])
    counts = np.unique(np.maximum(1, np.ceil(_COVERAGES * len(order)).astype(int)))
    return tuple(
        RiskPoint(
            coverage=count / len(order), confidence=float(confidence[order[count - 1]]), risk=wrong[count - 1] / count
        )
        for count in counts.tolist()
    )


def _class_metrics(name: str, confusion: NDArray[np.int64], index: int) -> ClassMetrics:
    hits, support, predicted = confusion[index, index], confusion[index].sum(), confusion[:, index].sum()
    return ClassMetrics(
        scientific_name=name,
        support=int(support),
        precision=float(hits / predicted) if predicted else None,
        recall=float(hits / support) if support else None,
        f1=float(2 * hits / (support + predicted)) if support else None,
    )


def _most_confused(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: list[str],
    photo_ids: NDArray[np.int64],
    confusion: NDArray[np.int64],
) -> tuple[Confused, ...]:
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    found = []
    for flat in np.argsort(-wrong, axis=None, kind="stable")[:_MOST_CONFUSED]:
        true, taken = np.unravel_index(flat, wrong.shape)
        if wrong[true, taken] == 0:
            break
        photos = np.flatnonzero((labels == true) & (predicted == taken))
        surest = photos[np.argsort(-confidence[photos], kind="stable")][:_PHOTOS_SHOWN]
        found.append(
            Confused(
                true=classes[true],
                predicted=classes[taken],
                photos=len(photos),
                photo_ids=tuple(photo_ids[surest].tolist()),
            )
        )
    return tuple(found)
