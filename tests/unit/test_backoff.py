"""Pauses between tries, and what a server asks for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from mushroom_tasks.backoff import growing_pause, retry_after_seconds


@pytest.mark.parametrize("tries", [1, 2, 3, 50])
def test_growing_pause__doubles_up_to_the_longest_give_or_take_the_jitter(tries: int) -> None:
    middle = min(0.5 * 2 ** (tries - 1), 60.0)
    pauses = [growing_pause(tries, 0.5, 60.0, jitter=0.2) for _ in range(100)]
    assert middle * 0.8 <= min(pauses) < max(pauses) <= middle * 1.2


def test_retry_after__is_a_number_or_a_date() -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert retry_after_seconds("7") == 7
    assert 90 < retry_after_seconds(at) <= 100


@pytest.mark.parametrize("header", ["", "soon", "-3", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_retry_after__what_is_neither_or_past_asks_for_nothing(header: str) -> None:
    assert retry_after_seconds(header) == 0
