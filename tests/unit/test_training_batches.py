"""Batches to train on: the same by seed, epoch and step in any process, and labels that stay with their photos."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled_photos import COLOURS, SIZE, TINY, labelled_photos

from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning.dataset import Split, classes_of, select_split
from mushroom_tasks.learning.records import Records, write_records
from mushroom_tasks.learning.training_batches import TrainingBatches, training_batches

EVERYTHING = {"randaugment_number": 2, "mixup_alpha": 0.4, "cutmix_alpha": 1.0, "translation": 0.1, "zoom": 0.2}
PLAIN = {"crop_area": 1.0, "flip": False, "rotation": 0.0, "contrast": 0.0, "brightness": 0.0}


class Data:
    """13 photos of three species in records."""

    def __init__(self, folder: Path) -> None:
        store, rows = labelled_photos(folder / "store", train=4)
        whole = select_split(rows, "train", kept_only=False)
        self.split = Split(*(array[:13] for array in vars(whole).values()))
        self.names = classes_of(rows)
        self.records: Records = write_records(rows, store, folder / "cache", shard_bytes=6000)

    def batches(self, seed: int = 1, split: Split | None = None, **values: object) -> TrainingBatches:
        settings = TINY.model_copy(update={"batch_size": 4, **values})
        return training_batches(self.records, split or self.split, 3, settings, seed, SIZE)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return Data(tmp_path_factory.mktemp("data"))


def arrays(dataset: Any) -> list[tuple[np.ndarray, ...]]:
    return [tuple(part.numpy() for part in batch) for batch in dataset]


def digest(folder: Path) -> str:
    found = hashlib.sha256()
    for batch in arrays(Data(folder).batches(**EVERYTHING).for_epoch(1)):
        for part in batch:
            found.update(part.tobytes())
    return found.hexdigest()


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["default", "everything"])
def test_for_epoch__goes_on_at_any_step_with_the_same_batches(data: Data, values: dict[str, Any]) -> None:
    batches = data.batches(**values)
    whole = arrays(batches.for_epoch(2))
    assert [len(pixels) for pixels, _ in whole] == [4, 4, 4, 1]
    assert batches.steps == 4
    for step in (1, 3, 4):
        rest = batches.for_epoch(2, first_step=step)
        assert int(rest.cardinality()) == 4 - step
        for found, expected in zip(arrays(rest), whole[step:], strict=True):
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one, other)


def test_for_epoch__changes_with_seed_and_epoch(data: Data) -> None:
    first = arrays(data.batches().for_epoch(0))[0][0]
    assert not np.array_equal(first, arrays(data.batches().for_epoch(1))[0][0])
    assert not np.array_equal(first, arrays(data.batches(seed=2).for_epoch(0))[0][0])


def test_for_epoch__gives_another_process_the_same_pixels(tmp_path: Path) -> None:
    # The one place that pays for a second TensorFlow: nothing else shows that no state of a process enters.
    script = (
        f"from test_training_batches import digest; from pathlib import Path; print(digest(Path({str(tmp_path)!r})))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    assert found.stdout.split()[-1] == digest(tmp_path)


@pytest.mark.parametrize("values", [{}, {"balance": "sampling", "balance_exponent": 0.0}, PLAIN], ids=str)
def test_for_epoch__keeps_labels_with_their_photos(data: Data, values: dict[str, Any]) -> None:
    colours = np.array([COLOURS[name] for name in data.names], dtype=float)
    colours -= colours.mean(axis=1, keepdims=True)  # the hue stays where brightness changes
    for pixels, labels in arrays(data.batches(**values).for_epoch(0)):
        assert pixels.dtype == labels.dtype == np.float32
        assert 0 <= pixels.min() <= pixels.max() <= 255
        means = pixels.mean(axis=(1, 2))
        means -= means.mean(axis=1, keepdims=True)
        nearest = np.abs(means[:, None] - colours[None]).sum(axis=2).argmin(axis=1)
        np.testing.assert_array_equal(labels.argmax(axis=1), nearest)
        assert set(np.unique(labels)) <= {0, 1}


def test_for_epoch__shows_every_photo_once(data: Data) -> None:
    labels = np.concatenate([labels for _, labels in arrays(data.batches().for_epoch(0))])
    np.testing.assert_array_equal(labels.sum(axis=0), np.bincount(data.split.labels, minlength=3))


def test_for_epoch__mixed_labels_sum_to_one(data: Data) -> None:
    labels = np.concatenate([labels for _, labels in arrays(data.batches(mixup_alpha=1.0).for_epoch(0))])
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    assert (labels.max(axis=1) < 0.99).any()


def test_for_epoch__draws_the_same_whatever_the_batch_size(data: Data) -> None:
    whole, parts = (
        np.concatenate([pixels for pixels, _ in arrays(data.batches(batch_size=size).for_epoch(0))]) for size in (13, 5)
    )
    np.testing.assert_allclose(whole, parts, atol=1e-3)


def test_for_epoch__brings_weights_where_classes_are_weighed(data: Data) -> None:
    found = arrays(data.batches(balance="weights").for_epoch(0))
    labels, weights = (np.concatenate([batch[part] for batch in found]) for part in (1, 2))
    assert weights.mean() == pytest.approx(1, abs=1e-5)
    counts = np.bincount(data.split.labels)
    assert counts.argmin() == labels.argmax(axis=1)[weights.argmax()]


def test_for_epoch__refuses_a_step_beyond_the_epoch(data: Data) -> None:
    with pytest.raises(LearningError, match=r"an epoch has 4 steps\. Received: first_step=5"):
        data.batches().for_epoch(0, first_step=5)


def test_for_epoch__says_which_record_is_damaged(tmp_path: Path) -> None:
    import tensorflow as tf

    data = Data(tmp_path)
    place = data.records.indices(data.split.sha256[:1].tolist())[0]
    shard = data.records.shards[data.records.shard[place]]
    content = bytearray(shard.read_bytes())
    content[data.records.entries["offset"][place] + 30] ^= 1
    shard.write_bytes(content)
    with pytest.raises(tf.errors.OpError, match=rf"{shard.name} is damaged. Delete that file"):
        arrays(data.batches().for_epoch(0))


def test_training_batches__refuses_photos_without_record_and_empty_splits(data: Data) -> None:
    unknown = Split(np.array([1]), np.array(["f" * 64]), np.array([0]), np.array([False]))
    with pytest.raises(LearningError, match="in no record"):
        data.batches(split=unknown)
    none = Split(*(array[:0] for array in vars(data.split).values()))
    with pytest.raises(LearningError, match="empty split"):
        training_batches(data.records, none, 3, TINY, 1, SIZE)
