"""One phase of training: steps, validation, the best weights, and backups to go on from at any step.

    run = PhaseRun(phase, settings, steps, files, portions, threshold=1.2)
    result = run.fit(model, train_batches, validation_batches, on_epoch, trainable_parameters=25_620)

The best epoch is chosen by validation loss, not accuracy: on a few hundred photos accuracy moves in steps of half a
percent and ties often, while the loss also sees how sure the answers are, which is what users are shown. The test
split takes no part.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning.memory import Portions
from mushroom_tasks.learning.schedules import Patience, rate_factor
from mushroom_tasks.settings import PhaseSettings, TrainingSettings

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from mushroom_tasks.learning.checkpoints import PhaseFiles
    from mushroom_tasks.learning.steps import Steps

logger = logging.getLogger(__name__)

OnEpoch = Callable[[str, int, dict[str, float]], None]

_PLATEAU_GAIN = 1e-4  # as Keras' ReduceLROnPlateau has it


class Batches(Protocol):
    """Training batches of (inputs, labels[, weights]): the same epoch and step always give the same batch."""

    @property
    def steps(self) -> int:
        """Batches of an epoch."""

    def for_epoch(self, epoch: int, first_step: int = 0) -> tf.data.Dataset:
        """Return the batches of an epoch from a step on."""


@dataclass(frozen=True)
class PhaseResult:
    """What a phase did. Each epoch holds loss, accuracy, val_loss, val_accuracy, learning_rate and seconds.

    `accumulated` is in how many parts batches were computed at the end, more than 1 where memory ran out.
    """

    name: str
    depth: float
    trainable_parameters: int
    epochs: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    accumulated: int = 1

    @property
    def best(self) -> dict[str, float]:
        """The epoch of the lowest validation loss."""
        return min(self.epochs, key=lambda epoch: epoch["val_loss"])


@dataclass
class _Counters:
    """What a step depends on besides variables; kept in every backup."""

    best_loss: float
    plateau: Patience
    stop: Patience
    epoch: int = 0
    step: int = 0
    has_best: bool = False
    is_over: bool = False
    rate_share: float = 1.0  # what plateaus have left of the learning rate
    epoch_seconds: float = 0.0
    epochs: list[dict[str, float]] = field(default_factory=list)


@dataclass
class PhaseRun:
    """A phase about to run, or to go on from a backup.

    Parameters
    ----------
    phase, settings
        What to do.
    optimizer, steps
        Built for the model that is trained.
    files
        Where best weights and backups are kept.
    portions
        In how many parts batches are computed; raised where memory runs out.
    threshold
        Validation loss of the phases before; only epochs below it are kept. None keeps the best of this phase.
    distribute
        Spreads a data set's batches over the devices.
    """

    phase: PhaseSettings
    settings: TrainingSettings
    optimizer: keras.optimizers.Optimizer
    steps: Steps
    files: PhaseFiles
    portions: Portions
    threshold: float | None
    distribute: Callable[[tf.data.Dataset], Iterable[Any]]

    def fit(
        self, model: keras.Model, training: Batches, validation: Any, on_epoch: OnEpoch, trainable_parameters: int
    ) -> PhaseResult:
        """Train `model` in place and leave it with its best weights; a phase that gained nothing changes nothing.

        Raises LearningError where the loss is not finite, or the memory does not hold the fewest photos at once.
        """
        import tensorflow as tf

        before = model.get_weights()
        self._variables = [*model.variables, *self.optimizer.variables]
        self._counters = self._fresh_counters()
        self._sums = tf.zeros(3)
        if not self._restore():
            self._back_up()
        while not self._counters.is_over:
            try:
                self._train_epoch(training)
                self._finish_epoch(model, validation, on_epoch)
            except tf.errors.ResourceExhaustedError:
                self._go_on_with_less()
        if self._counters.has_best:
            self.files.load_best(model)
        else:
            model.set_weights(before)
        epochs = self._counters.epochs
        seconds = round(sum(epoch["seconds"] for epoch in epochs), 3)
        return PhaseResult(
            self.phase.name, self.phase.depth, trainable_parameters, epochs, seconds, self.portions.parts
        )

    def _train_epoch(self, training: Batches) -> None:
        import tensorflow as tf

        counters = self._counters
        started = backed_up = time.monotonic()
        already = counters.epoch_seconds
        if counters.step == 0:
            self._sums = tf.zeros(3)
        for batch in self.distribute(training.for_epoch(counters.epoch, first_step=counters.step)):
            self.optimizer.learning_rate = self._rate(training.steps)
            self._sums += self.steps.train(batch, self.portions.parts)
            counters.step += 1
            counters.epoch_seconds = already + time.monotonic() - started
            if time.monotonic() - backed_up >= self.settings.backup_seconds:
                self._back_up()
                backed_up = time.monotonic()

    def _rate(self, steps_per_epoch: int) -> float:
        counters, settings = self._counters, self.settings
        factor = rate_factor(
            counters.epoch * steps_per_epoch + counters.step,
            steps_per_epoch=steps_per_epoch,
            epochs=self.phase.epochs,
            warm_up=settings.warm_up,
            cosine=settings.schedule == "cosine",
        )
        return self.phase.learning_rate * factor * counters.rate_share

    def _finish_epoch(self, model: keras.Model, validation: Any, on_epoch: OnEpoch) -> None:
        counters, started = self._counters, time.monotonic()
        loss, right, photos = self._sums.numpy().tolist()
        rate = float(self.optimizer.learning_rate.value.numpy())
        self._swap_averages(model)
        val_loss, val_accuracy = self.steps.evaluate(self.distribute(validation), self.portions.parts)
        metrics = {"loss": loss / photos, "accuracy": right / photos, "val_loss": val_loss}
        metrics |= {"val_accuracy": val_accuracy, "learning_rate": rate}
        self._check(metrics)
        if val_loss < counters.best_loss:
            counters.best_loss, counters.has_best = val_loss, True
            self.files.save_best(model)
        self._swap_averages(model)
        metrics["seconds"] = round(counters.epoch_seconds + time.monotonic() - started, 3)
        counters.epochs.append(metrics)
        on_epoch(self.phase.name, counters.epoch, metrics)
        counters.epoch, counters.step, counters.epoch_seconds = counters.epoch + 1, 0, 0.0
        if self.settings.schedule == "plateau" and counters.plateau.is_over(val_loss):
            counters.rate_share *= self.settings.plateau_factor
        counters.is_over = counters.stop.is_over(val_loss) or counters.epoch == self.phase.epochs
        self._back_up()

    def _swap_averages(self, model: keras.Model) -> None:
        """Exchange the weights and their moving averages, so that what is validated is what is kept."""
        if self.settings.ema_momentum == 0:
            return
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        averages = [variable for variable in optimizer.variables if variable.path.endswith("_average")]
        for variable, average in zip(model.trainable_variables, averages, strict=True):
            held = variable.value.numpy()
            variable.assign(average.value.numpy())
            average.assign(held)

    def _check(self, metrics: dict[str, float]) -> None:
        if not (math.isfinite(metrics["loss"]) and math.isfinite(metrics["val_loss"])):
            raise LearningError(
                f"the loss of phase {self.phase.name!r} is no number after epoch {self._counters.epoch + 1}. Received: "
                f"loss {metrics['loss']}, val_loss {metrics['val_loss']}. Lower the phase's learning_rate."
            )

    def _go_on_with_less(self) -> None:
        # From the last backup, not from the step: it may have been broken off half way through its update.
        self.portions.halve(self.phase.name)
        self.steps.forget()
        self._restore()
        self._back_up()

    def _fresh_counters(self) -> _Counters:
        return _Counters(
            best_loss=math.inf if self.threshold is None else self.threshold,
            plateau=Patience(self.settings.plateau_patience, _PLATEAU_GAIN),
            stop=Patience(self.settings.stop_patience),
        )

    def _back_up(self) -> None:
        arrays = [variable.value.numpy() for variable in self._variables]
        self.files.back_up([self._sums.numpy(), *arrays], {**asdict(self._counters), "parts": self.portions.parts})

    def _restore(self) -> bool:
        """Bring everything back as it was at the last backup; False where there is none."""
        import tensorflow as tf

        found = self.files.restore()
        if found is None:
            return False
        (sums, *arrays), counters = found
        self._sums = tf.constant(sums)
        for variable, array in zip(self._variables, arrays, strict=True):
            variable.assign(array)
        self.portions.parts = max(self.portions.parts, counters.pop("parts"))
        plateau, stop = (Patience(**counters.pop(name)) for name in ("plateau", "stop"))
        self._counters = _Counters(plateau=plateau, stop=stop, **counters)
        logger.info("phase %s goes on at epoch %d, step %d", self.phase.name, counters["epoch"] + 1, counters["step"])
        return True
