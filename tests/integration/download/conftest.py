"""A bucket that misbehaves, and a store to download into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from worst_bucket import Bucket, running_bucket

from mushroom_tasks.photos import pacing
from mushroom_tasks.storage import Store


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with running_bucket() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "FIRST_PAUSE", 0.01)
