"""A home in which the whole workflow has run, and how its tests look at it: the store, MLflow, the program itself."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from mushroom_tasks.db import embedded
from mushroom_tasks.settings import Settings, load_settings
from mushroom_tasks.stages.results import PlanResult
from mushroom_tasks.storage import Store

PROGRAM = "from mushroom_tasks.cli import main; main()"
HEAD_EPOCHS, LAST_EPOCHS = 3, 2
# Small enough for a test, otherwise the real job.
CHOSEN = f"""
[selection]
min_photos_per_species = 8

[training]
phases = [
    {{ name = "head", depth = 0.0, epochs = {HEAD_EPOCHS}, learning_rate = 1e-3 }},
    {{ name = "last", depth = 0.1, epochs = {LAST_EPOCHS}, learning_rate = 1e-4 }},
]

[export]
precisions = ["float32", "int8"]
min_agreement = 0.3
representative_photos = 8
"""


@dataclass(frozen=True)
class Finished:
    """What the run left that went on after the kill."""

    settings: Settings
    bundle: Path
    plan: PlanResult

    @property
    def store(self) -> Store:
        return Store(self.settings.store)

    def changed(self, **sections: dict[str, object] | str) -> Settings:
        """The same home with other settings."""
        return load_settings({"home": self.settings.home, "source": self.settings.source, **sections})


def where(settings: Settings) -> list[str]:
    return ["--workdir", str(settings.home), "--source", settings.source]


def _command(arguments: Sequence[str], *options: str) -> list[str]:
    return [sys.executable, *options, "-W", "ignore", "-c", PROGRAM, *arguments]


def mushroom(*arguments: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own."""
    return subprocess.run(_command(arguments, *options), capture_output=True, text=True, timeout=600)


def kill_in_the_last_phase(settings: Settings) -> None:
    log = settings.home / "killed.log"
    with log.open("w") as output:
        process = subprocess.Popen(_command(["run", *where(settings)]), stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 600
        while _phase(settings) != "last":
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    # Neither the model nor anything after it: the kill was in time.
    assert not list(Path(settings.store, "models").rglob("*")), log.read_text()


def _phase(settings: Settings) -> str | None:
    with suppress(FileNotFoundError):
        return json.loads((settings.home / "progress" / "train.json").read_text()).get("phase")
    return None


def contents(folder: Path) -> dict[str, tuple[int, str]]:
    """Time of the last write and checksum of every file below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(p): (p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest()) for p in files}


def tracked(settings: Settings) -> dict[str, int]:
    """How many rows MLflow's tables have."""
    engine = create_engine(embedded.url(settings.home, "mlflow"))
    tables = ("runs", "metrics", "params", "tags", "inputs", "model_versions")
    with engine.connect() as connection:
        counts = {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in tables}
    engine.dispose()
    return counts


def client(settings: Settings) -> Any:
    from mlflow import MlflowClient

    address = embedded.url(settings.home, "mlflow")
    return MlflowClient(tracking_uri=address, registry_uri=address)


def runs_by_key(settings: Settings, experiment: str) -> dict[str, list[Any]]:
    """MLflow's runs of an experiment, by the key of the logical run."""
    mlflow = client(settings)
    found: dict[str, list[Any]] = {}
    for run in mlflow.search_runs([mlflow.get_experiment_by_name(experiment).experiment_id]):
        found.setdefault(run.data.tags["mushroom.key"], []).append(run)
    return found


def alias(settings: Settings, name: str) -> Any:
    return client(settings).get_model_version_by_alias(settings.registry.model_name, name)


def champion_of(settings: Settings) -> tuple[str, dict[str, str], dict[str, tuple[int, str]]]:
    """The champion's version, its tags and the files of its bundle in MLflow."""
    champion = alias(settings, "champion")
    artifacts = Path(champion.source.removeprefix("file://"))
    assert (artifacts / "bundle.json").exists()
    return str(champion.version), dict(champion.tags), contents(artifacts)


def state(settings: Settings) -> tuple[Any, ...]:
    """What a refused run must leave as it was."""
    return champion_of(settings), contents(Path(settings.store))


def downloads(settings: Settings) -> list[Any]:
    """MLflow's runs of downloads."""
    runs = runs_by_key(settings, "dataset_build")
    return [run for key in runs if key.startswith("download:") for run in runs[key]]
