"""Which split a photo falls in: the same rule as `inat/selecting/sql/selected.sql`, for rows that no database holds.

split_of(observer_id, SplitShares(seed=1, test=0.15, validation=0.15))      # "train"
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from mushroom_tasks.settings import SelectionSettings


@dataclass(frozen=True)
class SplitShares:
    """Seed of the hash, and the shares of observers in the test and validation split."""

    seed: int
    test: float
    validation: float

    @classmethod
    def of(cls, settings: SelectionSettings) -> SplitShares:
        """Return the shares that the settings ask for."""
        return cls(settings.seed, settings.test_share, settings.validation_share)


def share_of(seed: int, observer_id: int) -> float:
    """Return the observer's place in 0..1, from the first 32 bits of md5("<seed>:observer:<id>")."""
    digest = hashlib.md5(f"{seed}:observer:{observer_id}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


def split_of(
    observer_id: int, shares: SplitShares, given: str | None = None, there: frozenset[str] = frozenset()
) -> str:
    """Return the split of all photos of an observer.

    `given` is the split that the photo's own source puts it in, and `there` the splits which that source has. What
    it has is kept; what it lacks is cut from its training photos, by observer and with the usual share.
    """
    if given not in (None, "train"):
        return str(given)
    share = share_of(shares.seed, observer_id)
    if "test" not in there and share < shares.test:
        return "test"
    if "validation" not in there and shares.test <= share < shares.test + shares.validation:
        return "validation"
    return "train"
