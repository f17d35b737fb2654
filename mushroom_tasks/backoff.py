"""How long to wait before a try that follows a failed one: growing pauses, and what a server asks for.

time.sleep(growing_pause(tries=3, first=0.5, longest=60.0))      # 2 s, give or take a half
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_DOUBLINGS = 20  # beyond, `longest` holds in any case, and the power would grow without bounds


def growing_pause(tries: int, first: float, longest: float, jitter: float = 0.5) -> float:
    """Return seconds that double with every try, `longest` at the most, give or take a share of `jitter`.

    The jitter keeps those that were refused together from coming back together.
    """
    spread = random.uniform(1 - jitter, 1 + jitter)  # noqa: S311 - spreads load, guards nothing
    return min(first * 2.0 ** min(tries - 1, _DOUBLINGS), longest) * spread


def retry_after_seconds(retry_after: str) -> float:
    """Return the seconds that a Retry-After header asks for (a number or an HTTP date), 0 where it is neither."""
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    return max((at.astimezone(UTC) - datetime.now(UTC)).total_seconds(), 0.0)
