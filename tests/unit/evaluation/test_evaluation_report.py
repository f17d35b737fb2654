"""Evaluation as a whole: the split as it came and as kept, what is fitted on validation, and what is written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from labelled_photos import COLOURS, SIZE, TINY, labelled_photos, photo
from PIL import Image
from pruned_photos import noise, pruned_photo, pruned_table

from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning import backbones
from mushroom_tasks.learning.evaluation import FIGURES, EvaluationReport, evaluate, held_out, predict_split, report_key
from mushroom_tasks.learning.model import build_classifier
from mushroom_tasks.settings import EvaluationSettings
from mushroom_tasks.storage import Store

SPECIES = [
    {
        "scientific_name": name,
        "taxonomy": [{"rank": "family", "name": f"{name[0]}aceae"}, {"rank": "genus", "name": name.split()[0]}],
    }
    for name in COLOURS
]


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.keras"
    build_classifier(backbones.get("efficientnet_lite0"), "none", 3, 0.2, SIZE).save(path)
    return path


def evaluated(model: Path, rows: pa.Table, store: Store, folder: Path, **settings: Any) -> EvaluationReport:
    """The report of a model, with its files in `out`."""
    chosen = EvaluationSettings(**settings)
    return evaluate(model, rows, store, folder / "cache", folder / "out", TINY, chosen, species=SPECIES, junk=["noise"])


@pytest.fixture(scope="module")
def made(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[EvaluationReport, Path]:
    """A report, and the folder it was written into."""
    folder = tmp_path_factory.mktemp("made")
    store, rows = labelled_photos(folder / "store", validation=4)
    return evaluated(model_path, rows, store, folder), folder / "out"


def test_evaluate__judges_split_as_it_came_and_as_kept(made: tuple[EvaluationReport, Path]) -> None:
    report, folder = made
    assert report.as_came is not None
    assert report.kept is not None
    assert (report.as_came.photos, report.kept.photos) == (9, 6)
    written = json.loads((folder / "evaluation.json").read_text())
    assert written["kept"]["photos"] == 6
    assert written["as_came"]["top1"] == report.as_came.top1


def test_evaluate__refuses_empty_split(model_path: Path, tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store")
    rows = rows.filter(pc.not_equal(rows["split"], "test"))
    with pytest.raises(LearningError, match=r"the test split has no photos\. Raise selection\.test_share"):
        evaluated(model_path, rows, store, tmp_path)


def test_evaluate__copes_with_split_that_was_pruned_whole(model_path: Path, tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store", test=0)
    report = evaluated(model_path, rows, store, tmp_path)
    assert report.kept is None
    assert report.as_came is not None
    assert report.as_came.photos == 3


def test_evaluate__writes_down_what_it_returns_and_draws_it(made: tuple[EvaluationReport, Path]) -> None:
    report, folder = made
    written = (folder / "evaluation.json").read_text()
    assert EvaluationReport.model_validate_json(written) == report
    assert report.schema_version == 2
    for name in FIGURES:
        assert Image.open(folder / name).format == "PNG"


def test_evaluate__fits_on_validation_and_judges_the_test_split(made: tuple[EvaluationReport, Path]) -> None:
    report, _ = made
    assert report.calibration.photos == 12
    assert report.fusion is None  # each photo has an observation of its own
    assert sum(one.photos for one in report.calibration.before.bins) == 6
    assert report.unknown.junk is not None
    assert report.unknown.junk.photos == 3  # those that were flagged as noise in the test split
    assert report.taxonomy is not None
    assert [one.rank for one in report.taxonomy.ranks] == ["species", "genus", "family"]


def test_evaluate__without_validation_photos_leaves_probabilities_as_they_are(model_path: Path, tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store", validation=0)
    report = evaluated(model_path, rows, store, tmp_path)
    assert report.calibration.temperature == 1
    assert report.unknown.accepted == 1
    assert report.taxonomy is not None
    assert report.taxonomy.answered == 0


def test_evaluate__fuses_photos_of_an_observation(model_path: Path, tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store")
    together = pa.array(
        [
            f"o {name} {split}"
            for name, split in zip(*(rows[n].to_pylist() for n in ("scientific_name", "split")), strict=True)
        ]
    )
    rows = rows.set_column(rows.schema.get_field_index("observation_uuid"), "observation_uuid", together)
    fused = evaluated(model_path, rows, store, tmp_path).fusion
    assert fused is not None
    assert (fused.observations, fused.photos) == (3, 6)


def test_evaluate__copes_with_data_sets_that_name_no_observations_and_reasons(model_path: Path, tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store")
    for name in ("observation_uuid", "reason"):
        rows = rows.set_column(rows.schema.get_field_index(name), name, pa.nulls(rows.num_rows, pa.string()))
    report = evaluated(model_path, rows, store, tmp_path)
    assert report.fusion is None
    assert report.unknown.junk is None


def test_evaluate__judges_photos_of_unknown_things_apart_from_those_it_fits_on(
    model_path: Path, tmp_path: Path
) -> None:
    store, rows = labelled_photos(tmp_path / "store")
    for number in range(20):
        store.write_bytes(f"unknown/{number}.png", photo("Boletus edulis", 1000 + number))
    store.write_bytes("unknown/broken.jpg", b"no photo")
    report = evaluated(model_path, rows, store, tmp_path, unknown_photos="unknown")
    assert report.unknown.validation_auroc is not None
    assert report.unknown.strangers is not None
    assert 0 < report.unknown.strangers.photos < 20


def test_evaluate__refuses_a_folder_of_unknown_things_without_photos(model_path: Path, tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store")
    with pytest.raises(LearningError, match=r"evaluation\.unknown_photos names .*/nowhere, where no photo is"):
        evaluated(model_path, rows, store, tmp_path, unknown_photos="nowhere")


def test_report_key__changes_with_the_settings() -> None:
    assert report_key(EvaluationSettings()) == report_key(EvaluationSettings())
    assert report_key(EvaluationSettings()) != report_key(EvaluationSettings(accepted=0.9))


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
    report = evaluated(model_path, rows, store, tmp_path)
    assert report.as_came is not None
    assert report.kept is not None
    assert (report.as_came.photos, report.kept.photos) == (7, 5)


def test_evaluate__refuses_split_of_copies_alone(model_path: Path, tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store", test=0)
    test = rows.filter(pc.equal(rows["split"], "test"))["photo_id"].to_pylist()
    rows = with_pictures(rows, dict.fromkeys([1, *test], 1))
    with pytest.raises(LearningError, match="none of the 3 photos of the test split is a picture of its own"):
        evaluated(model_path, rows, store, tmp_path)


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
