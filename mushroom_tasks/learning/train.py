"""Transfer learning from the head down, in phases.

    result = train(rows, store, cache, folder, settings, on_epoch, progress_folder)

The head first learns on features that are computed once (plain and mirrored); then the last blocks, then deeper ones
learn on augmented photos, each phase from the best weights so far. Writes into `folder`: `model.keras`,
`history.json`, `curves.png`. A run that was killed goes on after its last finished phase.

Cost with the default settings: 807 training photos of 20 species took 421 s of CPU time and 2.2 GB of memory. Needs
TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mushroom_tasks.learning import backbones
from mushroom_tasks.learning.checkpoints import Checkpoints
from mushroom_tasks.learning.dataset import Split, check_trainable, classes_of, image_batches, select_split
from mushroom_tasks.learning.devices import prepare_devices
from mushroom_tasks.learning.model import (
    augmentation,
    build_classifier,
    compiled,
    feature_extractor,
    head_of,
    set_depth,
)
from mushroom_tasks.learning.phases import OnEpoch, PhaseResult, PhaseRun
from mushroom_tasks.learning.pixels import PREPROCESSING_VERSION, PreparedPixels, prepare
from mushroom_tasks.learning.plots import plot_curves
from mushroom_tasks.progress import Progress
from mushroom_tasks.settings import TrainingSettings
from mushroom_tasks.storage import Store, fingerprint

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class TrainingResult:
    """What training gave; `phases` includes those that an earlier, killed run finished."""

    classes: list[str]
    phases: list[PhaseResult]

    @property
    def best(self) -> dict[str, float]:
        """The epoch whose weights the model has: the lowest validation loss of all phases."""
        return min((phase.best for phase in self.phases), key=lambda epoch: epoch["val_loss"])

    @property
    def best_validation_accuracy(self) -> float:
        """Validation accuracy of the model, 0..1."""
        return self.best["val_accuracy"]

    @property
    def seconds(self) -> float:
        """Time of all phases."""
        return sum(phase.seconds for phase in self.phases)


def train(
    rows: pa.Table,
    store: Store,
    cache: Path,
    folder: Path,
    settings: TrainingSettings,
    on_epoch: OnEpoch,
    progress_folder: Path | None = None,
    *,
    input_size: int | None = None,
) -> TrainingResult:
    """Train a classifier on what pruning kept of the train split; choose its weights on the validation split.

    Parameters
    ----------
    rows
        Schema `manifests.PRUNED`; classes are the scientific names of the whole table, sorted.
    store, cache
        Where the photos lie, and a local folder for their prepared pixels.
    folder
        Local folder for the results; also holds the checkpoints of a run that was killed.
    settings
        Backbone, phases, augmentation.
    on_epoch
        Called after each epoch with (phase name, epoch from 0, metrics); not again for phases that were finished.
    progress_folder
        Where a live display looks for the count; None shows none.
    input_size
        Side of the input in pixels; None takes the backbone's own.

    Raises
    ------
    LearningError
        Fewer than two classes, a class without training photos, no validation photos, or a loss that is no number.
    UnknownBackbone, WeightsMismatch
        The settings name a backbone or weights that cannot be used.
    """
    backbone = backbones.get(settings.backbone)
    size = backbone.input_size if input_size is None else input_size
    classes = classes_of(rows)
    training = select_split(rows, "train", kept_only=True)
    validation = select_split(rows, "validation", kept_only=True)
    check_trainable(classes, training, validation)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints = Checkpoints(folder, _identity(settings, size, classes, training, validation))
    result = TrainingResult(classes, checkpoints.finished())
    if len(result.phases) < len(settings.phases) or not checkpoints.model_path.exists():
        prepared = prepare(rows, store, cache, size, progress_folder)
        trainer = _Trainer(backbone, settings, result, prepared, training, validation, checkpoints)
        with Progress("train", sum(phase.epochs for phase in settings.phases), "epochs", progress_folder) as progress:
            trainer.run(on_epoch, progress)
    plot_curves(result.phases, folder / "curves.png")
    return result


def _identity(settings: TrainingSettings, size: int, classes: list[str], training: Split, validation: Split) -> str:
    return fingerprint(
        "training-run",
        settings=settings,
        weights=backbones.get(settings.backbone).weights_fingerprint(settings.weights),
        preprocessing=PREPROCESSING_VERSION,
        size=size,
        classes=classes,
        splits=[[split.sha256.tolist(), split.labels.tolist()] for split in (training, validation)],
    )


@dataclass
class _Trainer:
    backbone: backbones.Backbone
    settings: TrainingSettings
    result: TrainingResult
    prepared: PreparedPixels
    training: Split
    validation: Split
    checkpoints: Checkpoints

    def run(self, on_epoch: OnEpoch, progress: Progress) -> None:
        """Run the phases that are not done, and save the model."""
        import keras

        prepare_devices()
        keras.utils.set_random_seed(self.settings.seed)
        done = len(self.result.phases)
        # Pretrained weights need not be read again where a checkpoint holds all of them.
        weights = "none" if done else self.settings.weights
        model = build_classifier(
            self.backbone, weights, len(self.result.classes), self.settings.dropout, self.prepared.pixels.shape[1]
        )
        if done:
            self.checkpoints.restore(model, done)
            progress.advance(sum(phase.epochs for phase in self.settings.phases[:done]))
        for number in range(done, len(self.settings.phases)):
            self._run_phase(model, number, on_epoch, progress)
            self.checkpoints.save(model, self.result.phases, self._summary())
        self.checkpoints.complete(model, self.result.phases, self._summary())

    def _run_phase(self, model: keras.Model, number: int, on_epoch: OnEpoch, progress: Progress) -> None:
        import keras

        phase = self.settings.phases[number]
        # A seed of its own for each phase: a resumed run draws the same numbers as one that was never killed.
        seed = self.settings.seed + 1000 * (number + 1)
        keras.utils.set_random_seed(seed)

        def report(name: str, epoch: int, metrics: dict[str, float]) -> None:
            progress.advance(1, phase=name, accuracy=round(metrics["val_accuracy"], 3))
            on_epoch(name, epoch, metrics)

        trainable = set_depth(model, self.backbone, phase.depth)
        threshold = self.result.best["val_loss"] if self.result.phases else None
        run = PhaseRun(phase, self.settings, self.checkpoints.running(), threshold)
        if phase.depth == 0:
            data = self._feature_batches(model, seed)
            finished = run.fit(head_of(model), *data, report, trainable)
        else:
            finished = run.fit(model, *self._image_batches(seed), report, trainable)
        self.result.phases.append(finished)
        progress.advance(phase.epochs - len(finished.epochs))  # epochs that stopping early saved

    def _image_batches(self, seed: int) -> tuple[Any, Any]:
        classes, batch_size = len(self.result.classes), self.settings.batch_size
        augment = augmentation(self.settings, seed)
        return (
            image_batches(self.prepared, self.training, classes, batch_size, shuffle_seed=seed, augment=augment),
            image_batches(self.prepared, self.validation, classes, batch_size),
        )

    def _feature_batches(self, model: keras.Model, seed: int) -> tuple[Any, Any]:
        """Features of plain and mirrored training photos, so the frozen backbone runs twice and not every epoch."""
        import tensorflow as tf

        classes, batch_size = len(self.result.classes), self.settings.batch_size
        extract = compiled(feature_extractor(model))
        plain = image_batches(self.prepared, self.training, classes, batch_size)
        sides = [_collect(plain, extract)]
        if self.settings.flip:
            sides.append(_collect(plain, lambda pixels: extract(tf.reverse(pixels, [2]))))
        features, labels = (np.concatenate(parts) for parts in zip(*sides, strict=True))
        training = tf.data.Dataset.from_tensor_slices((features, labels))
        training = training.shuffle(len(features), seed=seed).batch(batch_size).prefetch(tf.data.AUTOTUNE)
        checked = _collect(image_batches(self.prepared, self.validation, classes, batch_size), extract)
        return training, tf.data.Dataset.from_tensor_slices(checked).batch(batch_size)

    def _summary(self) -> dict[str, Any]:
        return {
            "backbone": self.backbone.name,
            "classes": self.result.classes,
            "training_photos": len(self.training),
            "validation_photos": len(self.validation),
            "best_validation_accuracy": self.result.best_validation_accuracy,
            "best_validation_loss": self.result.best["val_loss"],
            "seconds": self.result.seconds,
        }


def _collect(batches: Any, extract: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    features, labels = zip(*((extract(pixels).numpy(), labels.numpy()) for pixels, labels in batches), strict=True)
    return np.concatenate(features), np.concatenate(labels)
