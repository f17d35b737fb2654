"""What a training run leaves on the local disk so that it can go on after a kill.

    checkpoints = Checkpoints(folder, identity)
    finished = checkpoints.finished()           # [] where another data set or other settings left the files
    checkpoints.restore(model, phases=len(finished))
    checkpoints.save(model, [*finished, result], summary)

`history.json` lists the finished phases and is written last, so it never names weights that are not there. Within a
phase, `backup.npz` holds everything that a step depends on; see `phases`.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.learning.phases import PhaseResult

if TYPE_CHECKING:
    import keras


class PhaseFiles:
    """What a running phase leaves in `folder`: its best weights, and backups to go on from.

    Parameters
    ----------
    folder
        Local folder of the checkpoints.
    key
        Names run and phase; a backup of another is ignored.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._best = folder / "running.weights.h5"
        self._backup = folder / "backup.npz"
        self._key = key

    def save_best(self, model: keras.Model) -> None:
        """Keep the weights of the best epoch so far."""
        partial = self._best.with_name("partial.weights.h5")
        model.save_weights(partial)
        partial.replace(self._best)

    def load_best(self, model: keras.Model) -> None:
        """Load the weights of the best epoch."""
        model.load_weights(self._best)

    def back_up(self, arrays: list[NDArray[Any]], counters: dict[str, Any]) -> None:
        """Replace the backup, whole or not at all."""
        partial = self._backup.with_suffix(".part")
        named: dict[str, Any] = {f"array_{number}": array for number, array in enumerate(arrays)}
        with partial.open("wb") as file:
            np.savez(file, key=np.array(self._key), counters=np.array(json.dumps(counters)), **named)
        partial.replace(self._backup)

    def restore(self) -> tuple[list[NDArray[Any]], dict[str, Any]] | None:
        """Return arrays and counters of this phase's backup, or None where there is none."""
        if not self._backup.exists():
            return None
        with np.load(self._backup, allow_pickle=False) as found:
            if str(found["key"]) != self._key:
                return None
            arrays = [found[f"array_{number}"] for number in range(len(found.files) - 2)]
            return arrays, json.loads(str(found["counters"]))


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

    def running(self, phase: int) -> PhaseFiles:
        """Return the files of the phase with this number, which is about to run or to go on."""
        self._weights.mkdir(parents=True, exist_ok=True)
        return PhaseFiles(self._weights, f"{self._identity}/{phase}")

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
