"""Prepared pixels and splits: decoded once, in step with labels, and refused where no classifier can be trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from labelled_photos import COLOURS, SIZE, labelled_photos

from mushroom_tasks import imaging
from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning.dataset import Split, check_trainable, classes_of, image_batches, select_split
from mushroom_tasks.learning.pixels import prepare
from mushroom_tasks.storage import Store


def splits_of(rows: pa.Table) -> list[Split]:
    return [select_split(rows, name, kept_only=True) for name in ("train", "validation")]


def test_select_split__counts_labels_over_the_whole_table(tmp_path: Path) -> None:
    _, rows = labelled_photos(tmp_path)
    first_in_test = pc.and_(pc.equal(rows["scientific_name"], "Amanita muscaria"), pc.equal(rows["split"], "test"))
    rows = rows.filter(pc.invert(first_in_test))
    names = dict(zip(rows["photo_id"].to_pylist(), rows["scientific_name"].to_pylist(), strict=True))
    split = select_split(rows, "test", kept_only=False)
    assert set(split.labels) == {1, 2}
    assert [classes_of(rows)[label] for label in split.labels] == [names[i] for i in split.photo_ids]
    assert list(split.photo_ids) == sorted(split.photo_ids)


def test_select_split__leaves_out_what_pruning_flagged(tmp_path: Path) -> None:
    _, rows = labelled_photos(tmp_path, train=4)
    assert len(select_split(rows, "train", kept_only=False)) == 15
    kept = select_split(rows, "train", kept_only=True)
    assert len(kept) == 12
    assert not kept.is_outlier.any()


def test_select_split__refuses_unknown_split(tmp_path: Path) -> None:
    _, rows = labelled_photos(tmp_path)
    with pytest.raises(LearningError, match="Received: 'dev'"):
        select_split(rows, "dev", kept_only=True)


def test_prepare__holds_each_photo_as_the_phone_sees_it(tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store")
    prepared = prepare(rows, store, tmp_path / "cache", SIZE)
    places = prepared.indices(rows["sha256"].to_pylist())
    for place, path in zip(places, rows["path"].to_pylist(), strict=True):
        expected = imaging.model_input(imaging.decode(store.read_bytes(path)), SIZE)
        np.testing.assert_array_equal(prepared.pixels[place], expected)


def test_prepare__decodes_once(tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store")
    first = np.array(prepare(rows, store, tmp_path / "cache", SIZE).pixels)
    store.delete("photos", recursive=True)
    again = prepare(rows.take(np.arange(rows.num_rows)[::-1]), store, tmp_path / "cache", SIZE)
    np.testing.assert_array_equal(again.pixels, first)


def test_prepare__goes_on_after_a_kill_in_the_middle_of_a_photo(tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store")
    whole = prepare(rows, store, tmp_path / "whole", SIZE)
    (finished,) = (tmp_path / "whole" / "pixels").iterdir()
    partial = tmp_path / "cache" / "pixels" / f"{finished.stem}.part"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(finished.read_bytes()[: int(5.5 * SIZE * SIZE * 3)])
    first = dict(zip(rows["sha256"].to_pylist(), rows["path"].to_pylist(), strict=True))[str(whole.sha256[0])]
    store.delete(first)  # already prepared: it is not read again
    np.testing.assert_array_equal(prepare(rows, store, tmp_path / "cache", SIZE).pixels, whole.pixels)
    assert not partial.exists()


def test_prepare__leaves_no_finished_file_where_a_photo_is_gone(tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store")
    store.delete(rows["path"][3].as_py())
    with pytest.raises(LearningError, match=r"photos/4\.png is gone"):
        prepare(rows, store, tmp_path / "cache", SIZE)
    assert not list((tmp_path / "cache" / "pixels").glob("*.u8"))


def test_prepare__refuses_an_empty_table(tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store")
    with pytest.raises(LearningError, match="empty table"):
        prepare(rows.slice(0, 0), store, tmp_path, SIZE)


def test_indices__refuses_photo_that_was_not_prepared(tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store")
    prepared = prepare(rows.slice(0, 4), store, tmp_path / "cache", SIZE)
    with pytest.raises(LearningError, match="not prepared"):
        prepared.indices(rows["sha256"].to_pylist())


def test_image_batches__keep_pixels_and_labels_together(tmp_path: Path) -> None:
    store, rows = labelled_photos(tmp_path / "store")
    prepared = prepare(rows, store, tmp_path / "cache", SIZE)
    split = select_split(rows, "train", kept_only=True)
    batches = list(image_batches(prepared, split, 3, 5))
    assert [len(pixels) for pixels, _ in batches] == [5, 5, 2]
    colours = np.array([COLOURS[name] for name in classes_of(rows)])
    for pixels, labels in batches:
        assert pixels.dtype == np.float32
        means = pixels.numpy().mean(axis=(1, 2))
        nearest = np.abs(means[:, None] - colours[None]).sum(axis=2).argmin(axis=1)
        np.testing.assert_array_equal(labels.numpy().argmax(axis=1), nearest)


def test_check_trainable__names_class_without_training_photos(tmp_path: Path) -> None:
    _, rows = labelled_photos(tmp_path)
    gone = pc.and_(pc.equal(rows["scientific_name"], "Boletus edulis"), pc.equal(rows["split"], "train"))
    rows = rows.filter(pc.invert(gone))
    with pytest.raises(LearningError, match=r"1 of 3 classes .* Boletus edulis"):
        check_trainable(classes_of(rows), *splits_of(rows))


def test_check_trainable__refuses_one_class_and_no_validation(tmp_path: Path) -> None:
    _, rows = labelled_photos(tmp_path, validation=0)
    with pytest.raises(LearningError, match="no validation photos"):
        check_trainable(classes_of(rows), *splits_of(rows))
    one = rows.filter(pc.equal(rows["scientific_name"], "Boletus edulis"))
    with pytest.raises(LearningError, match=r"at least two classes. Received: \['Boletus edulis'\]"):
        check_trainable(classes_of(one), *splits_of(one))


def test_check_trainable__copes_with_class_that_validation_lacks(tmp_path: Path) -> None:
    _, rows = labelled_photos(tmp_path)
    gone = pc.and_(pc.equal(rows["scientific_name"], "Boletus edulis"), pc.equal(rows["split"], "validation"))
    rows = rows.filter(pc.invert(gone))
    training, validation = splits_of(rows)
    check_trainable(classes_of(rows), training, validation)
    assert set(validation.labels) == {0, 2}


def test_prepare__reads_from_a_store_elsewhere(tmp_path: Path) -> None:
    local, rows = labelled_photos(tmp_path / "store")
    remote = Store(f"memory://{tmp_path.name}")
    for path in rows["path"].to_pylist():
        remote.write_bytes(path, local.read_bytes(path))
    prepared = prepare(rows, remote, tmp_path / "cache", SIZE)
    assert prepared.pixels.shape == (rows.num_rows, SIZE, SIZE, 3)
