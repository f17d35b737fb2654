"""How work is cut into mapped tasks, and where each shows its progress."""

from __future__ import annotations

from pathlib import Path

from mushroom_tasks.settings import Settings


def numbers(photos: int, least: int, most: int) -> list[int]:
    """Return the numbers of the shards for so many photos: `most` of them, fewer where each had less than `least`."""
    return list(range(max(1, min(most, photos // least))))


def progress_folder(settings: Settings, shard: int) -> Path:
    """Return a folder of the shard's own: shards run side by side and would overwrite each other's counts."""
    return settings.home / "progress" / f"shard-{shard:02d}"
