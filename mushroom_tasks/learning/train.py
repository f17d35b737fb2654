"""Transfer learning from the head down, in phases.

    result = train(rows, store, cache, folder, settings, on_epoch, progress_folder)

The head first learns on features that are computed once (plain and mirrored); then the last blocks, then deeper ones
learn on augmented photos, each phase from the best weights so far. Writes into `folder`: `model.keras`,
`history.json`, `curves.png`. A run that was killed goes on at the step of its last backup, to the same end.

Cost with the default settings: 946 training photos of 20 species took 355 s on two cores that tests shared
(docs/results.md). Needs TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mushroom_tasks.learning import backbones, devices
from mushroom_tasks.learning.balance import class_prior
from mushroom_tasks.learning.checkpoints import Checkpoints
from mushroom_tasks.learning.dataset import Split, check_trainable, classes_of, image_batches, select_split
from mushroom_tasks.learning.features import FeatureBatches, collect
from mushroom_tasks.learning.losses import ClassificationLoss
from mushroom_tasks.learning.memory import Portions
from mushroom_tasks.learning.model import (
    build_classifier,
    compiled,
    feature_extractor,
    head_of,
    logits_of,
    rate_factors,
    set_depth,
)
from mushroom_tasks.learning.optimizers import build_optimizer
from mushroom_tasks.learning.phases import Batches, OnEpoch, PhaseResult, PhaseRun
from mushroom_tasks.learning.pixels import PREPROCESSING_VERSION, PreparedPixels, prepare
from mushroom_tasks.learning.plots import plot_curves
from mushroom_tasks.learning.records import Records, write_records
from mushroom_tasks.learning.steps import Steps
from mushroom_tasks.learning.training_batches import training_batches
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
    device_names: Sequence[str] | None = None,
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
    device_names
        What to train on, as TensorFlow names it ("GPU:0"); None takes all GPUs, or else the CPU.

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
        trained_on = rows.filter(pc.is_in(rows["sha256"], pa.array(training.sha256.tolist())))
        data = _Data(
            classes,
            prepare(rows, store, cache, size, progress_folder),
            write_records(trained_on, store, cache, progress_folder),
            training,
            validation,
        )
        devices.prepare_devices()
        trainer = _Trainer(backbone, settings, result, data, checkpoints, devices.training_strategy(device_names))
        with Progress("train", sum(phase.epochs for phase in settings.phases), "epochs", progress_folder) as progress:
            trainer.run(on_epoch, progress)
    plot_curves(result.phases, folder / "curves.png")
    return result


def _identity(settings: TrainingSettings, size: int, classes: list[str], training: Split, validation: Split) -> str:
    return fingerprint(
        "training-run",
        settings=settings.identity(),
        weights=backbones.get(settings.backbone).weights_fingerprint(settings.weights, settings.weights_folder),
        preprocessing=PREPROCESSING_VERSION,
        size=size,
        classes=classes,
        splits=[[split.sha256.tolist(), split.labels.tolist()] for split in (training, validation)],
    )


@dataclass(frozen=True)
class _Data:
    classes: list[str]
    prepared: PreparedPixels  # of all photos, as the phone sees them
    records: Records  # of the training photos, to be cropped at random
    training: Split
    validation: Split

    @property
    def size(self) -> int:
        return int(self.prepared.pixels.shape[1])

    def plain(self, split: Split, batch_size: int) -> Any:
        return image_batches(self.prepared, split, len(self.classes), batch_size)


@dataclass
class _Trainer:
    backbone: backbones.Backbone
    settings: TrainingSettings
    result: TrainingResult
    data: _Data
    checkpoints: Checkpoints
    strategy: Any

    def run(self, on_epoch: OnEpoch, progress: Progress) -> None:
        """Run the phases that are not done, and save the model."""
        import keras

        keras.utils.set_random_seed(self.settings.seed)
        done = len(self.result.phases)
        # Pretrained weights need not be read again where a checkpoint holds all of them.
        model = self._build("none" if done else self.settings.weights)
        if done:
            self.checkpoints.restore(model, done)
            progress.advance(sum(phase.epochs for phase in self.settings.phases[:done]))
        for number in range(done, len(self.settings.phases)):
            self._run_phase(model, number, on_epoch, progress)
            self.checkpoints.save(model, self.result.phases, self._summary())
        self.checkpoints.complete(self._as_float32(model), self.result.phases, self._summary())

    @property
    def _policy(self) -> str:
        return devices.training_policy(mixed=self.settings.mixed_precision)

    def _build(self, weights: str) -> keras.Model:
        with devices.precision(self._policy), self.strategy.scope():
            return build_classifier(
                self.backbone,
                weights,
                len(self.data.classes),
                self.settings.dropout,
                self.data.size,
                self.settings.weights_folder,
            )

    def _as_float32(self, model: keras.Model) -> keras.Model:
        """Return the model as it is exported and evaluated anywhere: in float32, of no strategy."""
        plain = build_classifier(self.backbone, "none", len(self.data.classes), self.settings.dropout, self.data.size)
        plain.set_weights(model.get_weights())
        return plain

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
        batches, validation = self._batches(model, phase.depth, seed)
        with self.strategy.scope():
            learner = logits_of(model) if phase.depth > 0 else head_of(model)
            run = self._phase_run(model, learner, number)
        finished = run.fit(learner, batches, validation, report, trainable)
        self.result.phases.append(finished)
        progress.advance(phase.epochs - len(finished.epochs))  # epochs that stopping early saved

    def _phase_run(self, model: keras.Model, learner: keras.Model, number: int) -> PhaseRun:
        settings, phase, before = self.settings, self.settings.phases[number], self.result.phases
        optimizer = build_optimizer(
            settings,
            phase.learning_rate,
            rate_factors(model, self.backbone, settings.layer_decay),
            learner.trainable_variables,
            scale_loss=self._policy == "mixed_float16",
        )
        prior = class_prior(self.data.training.labels, len(self.data.classes), settings)
        loss = ClassificationLoss.of(prior, settings.label_smoothing, settings.logit_adjustment)
        return PhaseRun(
            phase,
            settings,
            optimizer,
            Steps(learner, optimizer, loss, self.strategy),
            self.checkpoints.running(number),
            Portions(settings.batch_size, settings.min_batch_size, before[-1].accumulated if before else 1),
            self.result.best["val_loss"] if before else None,
            self._distribute,
        )

    def _distribute(self, batches: Any) -> Any:
        if self.strategy.num_replicas_in_sync == 1:
            return batches
        return self.strategy.experimental_distribute_dataset(batches)

    def _batches(self, model: keras.Model, depth: float, seed: int) -> tuple[Batches, Any]:
        if depth == 0:
            return self._feature_batches(model, seed)
        data, settings = self.data, self.settings
        training = training_batches(data.records, data.training, len(data.classes), settings, seed, data.size)
        return training, data.plain(data.validation, settings.batch_size)

    def _feature_batches(self, model: keras.Model, seed: int) -> tuple[Batches, Any]:
        """Features of plain and mirrored training photos, so the frozen backbone runs twice and not every epoch."""
        import tensorflow as tf

        data, settings, classes = self.data, self.settings, len(self.data.classes)
        extract = compiled(feature_extractor(model))
        plain = data.plain(data.training, settings.batch_size)
        sides = [collect(plain, extract)]
        if settings.flip:
            sides.append(collect(plain, lambda pixels: extract(tf.reverse(pixels, [2]))))
        features, labels = (np.concatenate(parts) for parts in zip(*sides, strict=True))
        checked, truth = collect(data.plain(data.validation, settings.batch_size), extract)
        validation = tf.data.Dataset.from_tensor_slices((checked, tf.one_hot(truth, classes)))
        return FeatureBatches(features, labels, classes, settings, seed), validation.batch(settings.batch_size)

    def _summary(self) -> dict[str, Any]:
        return {
            "recipe": self.settings.model_dump(mode="json"),
            "backbone": self.backbone.name,
            "classes": self.result.classes,
            "training_photos": len(self.data.training),
            "validation_photos": len(self.data.validation),
            "best_validation_accuracy": self.result.best_validation_accuracy,
            "best_validation_loss": self.result.best["val_loss"],
            "seconds": self.result.seconds,
        }
