"""Evaluation: metrics by hand, classes without photos, and the split as it came and as kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from labelled_photos import SIZE, TINY, labelled_photos
from PIL import Image
from pruned_photos import noise, pruned_photo, pruned_table

from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning import backbones
from mushroom_tasks.learning.devices import devices
from mushroom_tasks.learning.evaluate import Confused, evaluate, held_out, metrics, predict_split
from mushroom_tasks.learning.model import build_classifier
from mushroom_tasks.learning.plots import plot_confusion

CLASSES = ["a", "b", "c", "d", "e", "f", "g"]


def sure(predicted: list[int], count: int = 7) -> np.ndarray:
    """Probabilities that rank `predicted` first, and the other classes in order."""
    probabilities = np.tile(np.linspace(0.1, 0.05, count, dtype=np.float32), (len(predicted), 1))
    probabilities[np.arange(len(predicted)), predicted] = 0.9
    return probabilities


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.keras"
    build_classifier(backbones.get("efficientnet_lite0"), "none", 3, 0.2, SIZE).save(path)
    return path


def test_metrics__equal_those_by_hand() -> None:
    found = metrics(sure([0, 0, 1, 1, 6]), np.array([0, 1, 1, 2, 5]), CLASSES)
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
    assert found.confusion[1] == [1, 1, 0, 0, 0, 0, 0]


def test_metrics__cope_with_class_without_photos() -> None:
    found = metrics(sure([0, 3]), np.array([0, 0]), CLASSES)
    absent = found.classes[3]
    assert (absent.support, absent.precision, absent.recall, absent.f1) == (0, 0.0, None, None)
    assert found.macro_f1 == pytest.approx(2 / 3)


def test_metrics__name_most_confused_pairs_first() -> None:
    found = metrics(sure([1, 1, 0, 2]), np.array([0, 0, 1, 2]), CLASSES)
    assert found.confused == [Confused("a", "b", 2), Confused("b", "a", 1)]


def test_metrics__cope_with_fewer_classes_than_five() -> None:
    found = metrics(sure([0, 1], 2), np.array([1, 1]), ["a", "b"])
    assert (found.top1, found.top3, found.top5) == (0.5, 1.0, 1.0)


def test_metrics__refuse_no_photos_and_wrong_shapes() -> None:
    with pytest.raises(LearningError, match="at least one photo"):
        metrics(np.empty((0, 7), np.float32), np.empty(0, np.int64), CLASSES)
    with pytest.raises(LearningError, match=r"probabilities \(1, 3\), 1 labels, 7 classes"):
        metrics(sure([0], 3), np.array([0]), CLASSES)


def test_evaluate__judges_split_as_it_came_and_as_kept(model_path: Path, tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store")
    report = evaluate(model_path, rows, store, tmp_path / "cache", TINY, tmp_path / "out")
    assert report.as_came is not None
    assert report.kept is not None
    assert (report.as_came.photos, report.kept.photos) == (9, 6)
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert written["kept"]["photos"] == 6
    assert written["as_came"]["top1"] == report.as_came.top1
    assert Image.open(tmp_path / "out" / "confusion.png").format == "PNG"


def test_evaluate__refuses_empty_split(model_path: Path, tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store")
    rows = rows.filter(pc.not_equal(rows["split"], "test"))
    with pytest.raises(LearningError, match=r"the test split has no photos\. Raise selection\.test_share"):
        evaluate(model_path, rows, store, tmp_path / "cache", TINY, tmp_path / "out")


def test_evaluate__copes_with_split_that_was_pruned_whole(model_path: Path, tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store", test=0)
    report = evaluate(model_path, rows, store, tmp_path / "cache", TINY, tmp_path / "out")
    assert report.kept is None
    assert report.as_came is not None
    assert report.as_came.photos == 3


def counted(rows: pa.Table, split: str) -> list[int]:
    """Photos that count, of rows in any order."""
    chosen = rows.filter(pc.equal(rows["split"], split)).sort_by("photo_id")
    return chosen.filter(pa.array(held_out(rows, split)))["photo_id"].to_pylist()


def test_held_out__counts_a_picture_once_as_the_photo_that_is_kept_or_of_the_lowest_id() -> None:
    rows = pruned_table(
        noise(9, split="test", picture=3), pruned_photo(5, split="test", picture=3),
        noise(3, split="validation", picture=3), noise(12, split="validation", picture=11),
        noise(11, split="test", picture=11), noise(20, split="test"), pruned_photo(21, split="validation"),
    )  # fmt: skip
    assert counted(rows, "test") == [5, 11, 20]
    assert counted(rows, "validation") == [21]


def test_held_out__leaves_out_pictures_that_have_a_photo_in_training_kept_or_not() -> None:
    rows = pruned_table(
        pruned_photo(1, split="train", picture=1), noise(2, split="test", picture=1),
        noise(3, split="train", picture=3), pruned_photo(4, split="test", picture=3),
        pruned_photo(5, split="validation", picture=3), pruned_photo(6, split="test"), pruned_photo(7, split="train"),
    )  # fmt: skip
    assert counted(rows, "test") == [6]
    assert counted(rows, "validation") == []


def with_pictures(rows: pa.Table, pictures: dict[int, int]) -> pa.Table:
    values = pa.array([pictures.get(photo_id) for photo_id in rows["photo_id"].to_pylist()], pa.int64())
    return rows.set_column(rows.schema.get_field_index("picture"), "picture", values)


def test_evaluate__leaves_copies_out_of_both(model_path: Path, tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store")
    test = rows.filter(pc.equal(rows["split"], "test"))
    kept, flagged = (
        test.filter(pc.equal(test["is_outlier"], value))["photo_id"].to_pylist() for value in (False, True)
    )
    # One kept photo is in training too; one flagged photo is a copy of another kept one.
    rows = with_pictures(rows, {1: 1, kept[0]: 1, kept[1]: kept[1], flagged[0]: kept[1]})
    report = evaluate(model_path, rows, store, tmp_path / "cache", TINY, tmp_path / "out")
    assert report.as_came is not None
    assert report.kept is not None
    assert (report.as_came.photos, report.kept.photos) == (7, 5)


def test_evaluate__refuses_split_of_copies_alone(model_path: Path, tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store", test=0)
    test = rows.filter(pc.equal(rows["split"], "test"))["photo_id"].to_pylist()
    rows = with_pictures(rows, dict.fromkeys([1, *test], 1))
    with pytest.raises(LearningError, match="none of the 3 photos of the test split is a picture of its own"):
        evaluate(model_path, rows, store, tmp_path / "cache", TINY, tmp_path / "out")


def test_predict_split__gives_each_photo_its_row(model_path: Path, tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store")
    ids, probabilities, labels = predict_split(model_path, rows, store, tmp_path / "cache", TINY, "train")
    expected = rows.filter(pc.equal(rows["split"], "train"))
    assert ids.tolist() == expected["photo_id"].to_pylist()
    assert probabilities.shape == (15, 3)
    assert labels.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_predict_split__refuses_model_of_other_classes(model_path: Path, tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store")
    rows = rows.filter(pc.not_equal(rows["scientific_name"], "Boletus edulis"))
    with pytest.raises(LearningError, match="tells 3 classes apart, the data set has 2"):
        predict_split(model_path, rows, store, tmp_path / "cache", TINY, "test")


@pytest.mark.parametrize("count", [2, 60])
def test_plot_confusion__copes_with_few_and_many_classes(count: int, tmp_path: Path) -> None:
    confusion = np.eye(count, dtype=np.int64)
    confusion[0, 0] = 0  # a class without photos
    plot_confusion(confusion, [f"Species {n}" for n in range(count)], tmp_path / "confusion.png")
    assert Image.open(tmp_path / "confusion.png").format == "PNG"


def test_devices__reports_the_cpu_and_its_memory() -> None:
    cpu = devices()[0]
    assert cpu.kind == "CPU"
    assert 0 < cpu.free_bytes <= cpu.total_bytes
    assert cpu.holders == ()
