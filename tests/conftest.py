"""Fixtures that every kind of test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_bucket() -> Path:
    """The folder of real photos in iNaturalist's layout; tests that need it skip without it."""
    folder = Path(os.environ.get("MUSHROOM_TEST_BUCKET", ROOT.parent / "shared" / "bucket"))
    if not (folder / "taxa.csv.gz").exists():
        pytest.skip(f"no bucket of real photos at {folder}; set MUSHROOM_TEST_BUCKET")
    return folder


@pytest.fixture(scope="module")
def airflow_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home of Airflow, with our DAGs and plugins to import, as its processes have them.

    Taken back at the end: services that a later test starts inherit our environment.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        patch.setenv("AIRFLOW__CORE__UNIT_TEST_MODE", "True")
        for folder in ("dags", "plugins"):
            patch.syspath_prepend(str(ROOT / folder))
        yield
