"""Choose N photos of a species: the rule of `inat/selecting/sql/sampled.sql`, for rows that no database holds.

chosen = choose(photos, settings.selection)
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from mushroom_tasks.settings import SelectionSettings

Row = dict[str, Any]


def choose(photos: Iterable[Row], settings: SelectionSettings) -> list[Row]:
    """Return at most `photos_per_species` photos of one species, in the order they are taken.

    Each observation gives its first photo before any gives its second, with at most
    `max_photos_per_observation` of one and `max_photos_per_observer` by one person. The order depends on ids and
    the seed alone. A photo on several observations counts on that with the smallest uuid.
    """
    by_id: dict[int, Row] = {}
    for photo in sorted(photos, key=itemgetter("observation_uuid")):
        by_id.setdefault(photo["photo_id"], photo)
    order = {number: (_hash(settings.seed, number), number) for number in by_id}
    ranked = _ranked(sorted(by_id.values(), key=lambda row: order[row["photo_id"]]), settings)
    ranked.sort(key=lambda found: (found[0], order[found[1]["photo_id"]]))
    return [row for _, row in ranked[: settings.photos_per_species]]


def _ranked(rows: list[Row], settings: SelectionSettings) -> list[tuple[int, Row]]:
    """Return each row that the caps let through with its number within its observation."""
    of_observation: dict[str, int] = defaultdict(int)
    numbered = []
    for row in rows:
        of_observation[row["observation_uuid"]] += 1
        number = of_observation[row["observation_uuid"]]
        if number <= settings.max_photos_per_observation:
            numbered.append((number, row))
    of_observer: dict[int, int] = defaultdict(int)
    kept = []
    for number, row in sorted(numbered, key=itemgetter(0)):  # stable: by hash among equals
        of_observer[row["observer_id"]] += 1
        if of_observer[row["observer_id"]] <= settings.max_photos_per_observer:
            kept.append((number, row))
    return kept


def _hash(seed: int, photo_id: int) -> str:
    return hashlib.md5(f"{seed}:photo:{photo_id}".encode(), usedforsecurity=False).hexdigest()
