"""The figures of an evaluation, with few and with many classes, and classes without photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mushroom_tasks.learning.evaluation.figures import most_mistaken, plot_confusion, plot_recall
from mushroom_tasks.learning.evaluation.metrics import metrics
from mushroom_tasks.learning.evaluation.taxonomy import Ladder


@pytest.mark.parametrize("count", [2, 60, 120])
def test_figures__cope_with_few_and_many_classes(count: int, tmp_path: Path) -> None:
    names = [f"Genus species{n:03d}" for n in range(count)]
    labels = np.repeat(np.arange(1, count), 3)  # the first class has no photos
    probabilities = np.full((len(labels), count), 0.01, np.float32)
    probabilities[np.arange(len(labels)), np.roll(labels, 1)] = 0.9
    found = metrics(probabilities, labels, names, np.arange(len(labels)))
    plot_confusion(found, Ladder.of([], names), tmp_path / "confusion.png")
    plot_recall(found.classes, tmp_path / "recall.png")
    for name in ("confusion", "recall"):
        with Image.open(tmp_path / f"{name}.png") as image:
            assert image.format == "PNG"
            assert max(image.size) < 4000


def test_most_mistaken__takes_the_classes_of_the_worst_pairs() -> None:
    confusion = np.diag([50, 50, 50, 50, 50])
    confusion[3, 1], confusion[0, 4] = 9, 5
    assert sorted(most_mistaken(confusion, 2).tolist()) == [1, 3]
    assert sorted(most_mistaken(confusion, 4).tolist()) == [0, 1, 3, 4]
