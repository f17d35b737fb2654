"""Training: phases, the best weights, the files it leaves, and going on after a kill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from labelled_photos import SIZE, TINY, labelled_photos
from PIL import Image

from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning import backbones
from mushroom_tasks.learning.losses import ClassificationLoss
from mushroom_tasks.learning.phases import PhaseResult
from mushroom_tasks.learning.plots import plot_curves
from mushroom_tasks.learning.train import TrainingResult, train
from mushroom_tasks.settings import TrainingSettings
from mushroom_tasks.storage import Store


class Killed(BaseException):
    """What a kill looks like from inside."""


class Run:
    """One data set, trained into one folder; `epochs` is what was reported."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store, self.rows = labelled_photos(folder / "store")
        self.epochs: list[tuple[str, int]] = []
        self.kill_at: tuple[str, int] | None = None

    def train(self, settings: TrainingSettings = TINY, rows: pa.Table | None = None) -> TrainingResult:
        chosen = self.rows if rows is None else rows
        out, progress = self.folder / "out", self.folder / "progress"
        return train(chosen, self.store, self.folder / "cache", out, settings, self.report, progress, input_size=SIZE)

    def report(self, phase: str, epoch: int, metrics: dict[str, float]) -> None:
        if (phase, epoch) == self.kill_at:
            raise Killed
        assert set(metrics) == {"accuracy", "loss", "val_accuracy", "val_loss", "learning_rate", "seconds"}
        self.epochs.append((phase, epoch))

    def weights(self) -> list[np.ndarray]:
        import keras

        return keras.saving.load_model(self.folder / "out" / "model.keras", compile=False).get_weights()


def without_times(result: TrainingResult) -> list[Any]:
    return [
        (phase.name, [{**epoch, "seconds": 0.0} for epoch in phase.epochs], phase.accumulated)
        for phase in result.phases
    ]


def limit_photos_at_once(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """TensorFlow raises ResourceExhaustedError where a graph computes the loss of more photos than `most`."""
    import tensorflow as tf

    def allocate(count: int) -> np.int64:
        if count > most:
            raise MemoryError
        return np.int64(count)

    unlimited = ClassificationLoss.__call__

    def limited(loss: ClassificationLoss, labels: Any, logits: Any) -> Any:
        with tf.control_dependencies([tf.numpy_function(allocate, [tf.shape(labels)[0]], tf.int64)]):
            return unlimited(loss, labels, tf.identity(logits))

    monkeypatch.setattr(ClassificationLoss, "__call__", limited)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, TrainingResult]:
    run = Run(tmp_path_factory.mktemp("trained"))
    return run, run.train()


def test_train__leaves_model_history_and_curves(trained: tuple[Run, TrainingResult]) -> None:
    run, result = trained
    assert result.classes == ["Amanita muscaria", "Boletus edulis", "Clitocybe nuda"]
    assert [(phase.name, len(phase.epochs)) for phase in result.phases] == [("head", 2), ("last", 2)]
    assert run.epochs == [("head", 0), ("head", 1), ("last", 0), ("last", 1)]
    assert sorted(path.name for path in (run.folder / "out").iterdir()) == ["curves.png", "history.json", "model.keras"]
    history = json.loads((run.folder / "out" / "history.json").read_text())
    assert history["training_photos"] == 12  # outliers are left out
    assert history["validation_photos"] == 6
    assert history["best_validation_accuracy"] == result.best_validation_accuracy
    assert Image.open(run.folder / "out" / "curves.png").width > 800
    assert json.loads((run.folder / "progress" / "train.json").read_text())["done"] == 4


def test_train__keeps_the_weights_of_the_lowest_validation_loss(trained: tuple[Run, TrainingResult]) -> None:
    import keras

    from mushroom_tasks.learning.dataset import image_batches, select_split
    from mushroom_tasks.learning.pixels import prepare

    run, result = trained
    model = keras.saving.load_model(run.folder / "out" / "model.keras", compile=False)
    prepared = prepare(run.rows, run.store, run.folder / "cache", SIZE)
    split = select_split(run.rows, "validation", kept_only=True)
    ((pixels, labels),) = image_batches(prepared, split, 3, 64)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=TINY.label_smoothing)
    assert float(loss(labels, model(pixels))) == pytest.approx(result.best["val_loss"], abs=1e-4)
    assert result.best["val_loss"] == min(epoch["val_loss"] for phase in result.phases for epoch in phase.epochs)


def test_train__goes_on_in_the_phase_that_was_killed_to_the_same_end(
    trained: tuple[Run, TrainingResult], tmp_path: Path
) -> None:
    run = Run(tmp_path)
    run.kill_at = ("last", 1)
    with pytest.raises(Killed):
        run.train()
    run.kill_at = None
    result = run.train()
    assert run.epochs == trained[0].epochs, "no epoch is reported twice or left out"
    for one, other in zip(trained[0].weights(), run.weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert without_times(result) == without_times(trained[1])
    assert run.train() == result  # nothing left to do
    assert run.epochs == trained[0].epochs


def test_train__computes_batches_in_parts_where_memory_runs_out(
    trained: tuple[Run, TrainingResult],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Memory for five photos at once: batches of eight run out of it, as TensorFlow says, in the middle of a step."""
    limit_photos_at_once(monkeypatch, 5)
    run = Run(tmp_path)
    result = run.train()
    assert [phase.accumulated for phase in result.phases] == [2, 2]
    assert "no memory for 8 photos at once; going on with 4 at once" in caplog.text
    history = json.loads((run.folder / "out" / "history.json").read_text())
    assert [phase["accumulated"] for phase in history["phases"]] == [2, 2]
    for one, other in zip(trained[1].phases, result.phases, strict=True):
        assert other.best["val_loss"] == pytest.approx(one.best["val_loss"], rel=0.02)  # dropout draws anew


def test_train__names_what_to_do_where_not_even_a_few_photos_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_photos_at_once(monkeypatch, 3)
    with pytest.raises(LearningError, match=r"no memory for 4 photos at once in phase 'head'.*smaller backbone"):
        Run(tmp_path).train()


def test_train__balances_decays_and_adjusts_as_told(tmp_path: Path) -> None:
    told = {
        "balance": "weights",
        "layer_decay": 0.8,
        "logit_adjustment": 1.0,
        "schedule": "plateau",
        "cutmix_alpha": 1.0,
    }
    result = Run(tmp_path).train(TINY.model_copy(update=told))
    assert [epoch["learning_rate"] for epoch in result.phases[0].epochs] == pytest.approx([1e-2, 1e-2])


def test_train__starts_anew_with_other_settings(tmp_path: Path) -> None:
    run = Run(tmp_path)
    head_only = TINY.model_copy(update={"phases": TINY.phases[:1]})
    run.train(head_only)
    run.train(head_only.model_copy(update={"seed": 2}))
    assert run.epochs == [("head", 0), ("head", 1)] * 2


def test_train__refuses_loss_that_is_no_number(tmp_path: Path) -> None:
    model = backbones.get("efficientnet_lite0").build("none", SIZE)
    model.get_layer("head_bn").set_weights([np.full(1280, np.nan)] * 4)
    model.save_weights(tmp_path / "broken.weights.h5")
    with pytest.raises(LearningError, match=r"the loss of phase 'head' is no number after epoch 1"):
        Run(tmp_path).train(TINY.model_copy(update={"weights": str(tmp_path / "broken.weights.h5")}))


def test_train__names_class_without_training_photos(tmp_path: Path) -> None:
    run = Run(tmp_path)
    of_class = pc.equal(run.rows["scientific_name"], "Clitocybe nuda")
    gone = pc.and_(of_class, pc.equal(run.rows["split"], "train"))
    with pytest.raises(LearningError, match="Clitocybe nuda"):
        run.train(rows=run.rows.filter(pc.invert(gone)))
    assert not run.epochs


def test_plot_curves__draws_phases_of_any_length(tmp_path: Path) -> None:
    def phase(name: str, count: int) -> PhaseResult:
        numbers: list[dict[str, Any]] = [
            {"accuracy": n / count, "val_accuracy": n / count, "loss": 1 / n, "val_loss": 1 / n}
            for n in range(1, count + 1)
        ]
        return PhaseResult(name, 0.5, 10, numbers, 3.0)

    plot_curves([phase("one", 1), phase("long", 100)], tmp_path / "curves.png")
    assert Image.open(tmp_path / "curves.png").format == "PNG"


def test_train__does_not_touch_the_store(trained: tuple[Run, TrainingResult]) -> None:
    run, _ = trained
    assert Store(run.folder / "store").list("") == ["photos"]
