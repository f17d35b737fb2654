"""Fixtures that every kind of test may use."""

from __future__ import annotations

import os
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
