"""iNaturalist's API, misbehaving where a test wants it to."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from inaturalist_server import Inaturalist, running_api

os.environ["HF_HUB_OFFLINE"] = "1"  # before `datasets` is imported, which reads it once


@pytest.fixture
def inaturalist() -> Iterator[Inaturalist]:
    with running_api() as running:
        yield running
