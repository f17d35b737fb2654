"""How work is cut into mapped tasks, and where each shows its progress.

A mapped task costs seconds to start, and one that embeds imports TensorFlow too: smaller shards do not pay.
"""

from __future__ import annotations

from pathlib import Path

from mushroom_tasks.settings import Settings

_LEAST_DOWNLOADED, _LEAST_EMBEDDED = 250, 2_000  # photos


def download_shards(settings: Settings, photos: int) -> list[int]:
    """Return the numbers of the shards in which so many photos are downloaded."""
    return _numbers(photos, _LEAST_DOWNLOADED, settings.download.shards)


def embedding_shards(settings: Settings, photos: int) -> list[int]:
    """Return the numbers of the shards in which so many photos are embedded."""
    return _numbers(photos, _LEAST_EMBEDDED, settings.embedding.shards)


def progress_folder(settings: Settings, shard: int) -> Path:
    """Return a folder of the shard's own: shards run side by side and would overwrite each other's counts."""
    return settings.home / "progress" / f"shard-{shard:02d}"


def _numbers(photos: int, least: int, most: int) -> list[int]:
    return list(range(max(1, min(most, photos // least))))
