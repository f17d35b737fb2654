"""The MLflow runs of one training: a parent, a child for the backbone, one more below it for each phase."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate

from mushroom_tasks.settings import PhaseSettings
from mushroom_tasks.stages.experiments import TRAIN
from mushroom_tasks.stages.results import PlanResult
from mushroom_tasks.tracking import Run, Tracker

_METRIC_NAMES = {
    "accuracy": "train/accuracy",
    "loss": "train/loss",
    "val_accuracy": "validation/accuracy",
    "val_loss": "validation/loss",
    "seconds": "train/epoch_seconds",
    "learning_rate": "train/learning_rate",
}


def runs_of(tracker: Tracker, plan: PlanResult) -> tuple[Run, Run]:
    """Return the run of the whole training, and its child for the backbone."""
    tags = {"dataset": plan.dataset, "model": plan.model, "bundle": plan.bundle}
    parent = tracker.run(TRAIN, key=plan.model, name=f"training {plan.model}", tags=tags)
    child = tracker.run(
        TRAIN,
        key=f"{plan.model}/{plan.backbone}",
        name=f"{plan.backbone} {plan.model[:6]}",
        parent=parent,
        tags={**tags, "backbone": plan.backbone},
    )
    return parent, child


@contextmanager
def logged(*runs: Run | EpochLog) -> Iterator[None]:
    """Mark runs as failed where the block fails; a retry reopens them."""
    try:
        yield
    except Exception:
        for run in runs:
            run.finish("FAILED")
        raise


class EpochLog:
    """Sends each epoch to the run of its phase, and to the backbone's run on one axis over all phases.

    On that axis a phase begins where those before it end at the latest, so that a resumed training, which does not
    repeat the phases that were finished, goes on at the same place.
    """

    def __init__(self, tracker: Tracker, child: Run, plan: PlanResult, phases: Sequence[PhaseSettings]) -> None:
        self._tracker, self._child, self._plan = tracker, child, plan
        self._phases: dict[str, Run] = {}
        ends = accumulate((phase.epochs for phase in phases), initial=0)
        self._starts = dict(zip((phase.name for phase in phases), ends, strict=False))

    def __call__(self, phase: str, epoch: int, metrics: dict[str, float]) -> None:
        """Log one epoch; `epoch` counts from 0 within its phase."""
        named = {_METRIC_NAMES.get(name, name): value for name, value in metrics.items()}
        self._run(phase).log_metrics(named, step=epoch)
        self._child.log_metrics(named, step=self._starts[phase] + epoch)

    def finish(self, status: str = "FINISHED") -> None:
        """Close the runs of the phases that were logged here."""
        for run in self._phases.values():
            run.finish(status)

    def finish_all(self, phases: Iterable[str]) -> None:
        """Close the runs of all these phases, those too that an earlier, killed try has left open."""
        for phase in phases:
            self._run(phase).finish()

    def _run(self, phase: str) -> Run:
        if phase not in self._phases:
            self._phases[phase] = self._tracker.run(
                TRAIN,
                key=f"{self._plan.model}/{self._plan.backbone}/{phase}",
                name=f"{self._plan.backbone} {phase}",
                parent=self._child,
                tags={"phase": phase, "backbone": self._plan.backbone, "dataset": self._plan.dataset},
            )
        return self._phases[phase]
