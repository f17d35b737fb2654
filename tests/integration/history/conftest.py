"""What the tests of the history of loads share."""

from __future__ import annotations

from pathlib import Path

import pytest
from loads import Loads
from sqlalchemy import Engine


@pytest.fixture
def load_bucket(engine: Engine, tmp_path: Path) -> Loads:
    return Loads(engine, tmp_path)
