"""Batches in parts, where memory runs out."""

from __future__ import annotations

import pytest

from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning.memory import Portions


def test_halve__says_what_it_goes_on_with(caplog: pytest.LogCaptureFixture) -> None:
    portions = Portions(batch_size=32, floor=4)
    portions.halve("deep")
    portions.halve("deep")
    assert (portions.at_once, portions.parts) == (8, 4)
    assert "phase deep: no memory for 32 photos at once; going on with 16 at once" in caplog.text
    assert "accumulated over 4 parts, so a step still sees 32 photos" in caplog.text


def test_halve__refuses_fewer_photos_than_the_floor() -> None:
    portions = Portions(batch_size=6, floor=3)
    portions.halve("deep")
    with pytest.raises(LearningError, match=r"no memory for 3 photos at once in phase 'deep'.*min_batch_size"):
        portions.halve("deep")
    assert portions.parts == 2
