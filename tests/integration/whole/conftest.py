"""One home for all tests of this folder: its first run is killed in the middle of training, the second one finishes.

The modules build on each other in the order of their names: what is refused leaves runs in MLflow.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from whole_run import CHOSEN, Finished, kill_in_the_last_phase, mushroom, where

from mushroom_tasks import stages
from mushroom_tasks.db import embedded
from mushroom_tasks.sample.bucket import write_bucket
from mushroom_tasks.settings import Settings, load_settings


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    # Not below pytest's own folder, which each session of pytest closes to others: as root, PostgreSQL is another.
    with tempfile.TemporaryDirectory(prefix="mushroom-", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def settings(folder: Path) -> Iterator[Settings]:
    write_bucket(folder / "bucket", species=3, photos_per_species=16)
    home = folder / "home"
    home.mkdir()
    (home / "mushroom.toml").write_text(CHOSEN)
    try:
        yield load_settings({"home": home, "source": str(folder / "bucket")})
    finally:
        embedded.stop(home)


@pytest.fixture(scope="session")
def finished(settings: Settings) -> Finished:
    kill_in_the_last_phase(settings)
    done = mushroom("run", *where(settings))
    assert done.returncode == 0, done.stderr
    bundle = Path(done.stdout.splitlines()[-1])
    return Finished(settings, bundle, stages.plan_training(settings))
