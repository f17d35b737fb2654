"""What a training run leaves on the local disk so that it can go on after a kill.

    checkpoints = Checkpoints(folder, identity)
    finished = checkpoints.finished()           # [] where another data set or other settings left the files
    checkpoints.restore(model, phases=len(finished))
    checkpoints.save(model, [*finished, result], summary)

`history.json` lists the finished phases and is written last, so it never names weights that are not there.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mushroom_tasks.learning.phases import PhaseResult

if TYPE_CHECKING:
    import keras


class Checkpoints:
    """Weights and history of the finished phases in `folder`.

    Parameters
    ----------
    folder
        Local folder of the run.
    identity
        Fingerprint of data, settings and weights; files of another identity are ignored and replaced.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self.model_path = folder / "model.keras"
        self._history = folder / "history.json"
        self._weights = folder / "checkpoints"
        self._identity = identity

    def finished(self) -> list[PhaseResult]:
        """Return the phases that are done and whose weights are there."""
        try:
            history = json.loads(self._history.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return []
        phases = [PhaseResult(**phase) for phase in history["phases"]]
        there = self.model_path.exists() if history["complete"] else self._of(len(phases)).exists()
        return phases if there and history["identity"] == self._identity else []

    def running(self) -> Path:
        """Return the file for the best weights of the phase that runs."""
        self._weights.mkdir(parents=True, exist_ok=True)
        return self._weights / "running.weights.h5"

    def restore(self, model: keras.Model, phases: int) -> None:
        """Load the weights that `phases` finished phases left."""
        model.load_weights(self._of(phases))

    def save(self, model: keras.Model, phases: list[PhaseResult], summary: dict[str, Any]) -> None:
        """Keep the weights of the last finished phase, then say so in the history."""
        partial = self._weights / "partial.weights.h5"
        model.save_weights(partial)
        partial.replace(self._of(len(phases)))
        self._write(phases, summary, complete=False)

    def complete(self, model: keras.Model, phases: list[PhaseResult], summary: dict[str, Any]) -> None:
        """Save the whole model, say so in the history, and remove the phases' weights."""
        partial = self.model_path.with_name("partial.keras")
        model.save(partial)
        partial.replace(self.model_path)
        self._write(phases, summary, complete=True)
        shutil.rmtree(self._weights, ignore_errors=True)

    def _of(self, phases: int) -> Path:
        return self._weights / f"after-{phases}.weights.h5"

    def _write(self, phases: list[PhaseResult], summary: dict[str, Any], *, complete: bool) -> None:
        record = {
            **summary,
            "identity": self._identity,
            "complete": complete,
            "phases": [asdict(phase) for phase in phases],
        }
        partial = self._history.with_suffix(".part")
        partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        partial.replace(self._history)
