"""The room that a selection's photos will take, asked for before any is fetched.

need = Need(settings.download, store)
for batch in selection:
    need.add(batch)
need.require()
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa

from mushroom_tasks.disk import RESERVE, DiskUsage, free_bytes
from mushroom_tasks.errors import PhotoError, StorageFull
from mushroom_tasks.photos.store import PhotoStore, photo_path
from mushroom_tasks.progress import size
from mushroom_tasks.settings import DownloadSettings
from mushroom_tasks.storage import Store

# Mean bytes of a photo by size; the originals are at most 2048 px wide.
TYPICAL = {"original": 1_200_000, "large": 230_000, "medium": 60_000, "small": 20_000, "thumb": 5_000, "square": 4_000}
_BYTES_PER_PIXEL = 0.35  # of a smaller copy, at quality 90
_ASPECT = 1.4
_EVERY = 37  # photos: one of so many is looked for; no factor of the folders' 1,000


class Need:
    """An estimate of the bytes that photos of a list will take, from a sample of those that are there already."""

    def __init__(self, settings: DownloadSettings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._photos = PhotoStore(store)
        self.photos = self._seen = self._missing = 0

    @property
    def bytes(self) -> int:
        """Bytes that are still to come."""
        small = _BYTES_PER_PIXEL * _ASPECT * self._settings.small_side**2
        return round(self._share() * self.photos * (TYPICAL[self._settings.size] + small))

    def add(self, batch: pa.RecordBatch) -> None:
        """Count more of the list; needs photo_id and extension. Looks at the disk for a sample of them."""
        first = -self.photos % _EVERY
        self.photos += batch.num_rows
        if not self._store.is_local:
            return
        sample = (batch[name].to_pylist()[first::_EVERY] for name in ("photo_id", "extension"))
        for photo_id, extension in zip(*sample, strict=True):
            self._seen += 1
            self._missing += self._is_missing(photo_id, extension)

    def require(self, disk_usage: DiskUsage = shutil.disk_usage) -> None:
        """Raise StorageFull where the disk has not that much room; a store that is no disk is not asked."""
        if not self._store.is_local or not self.bytes:
            return
        folder = Path(self._store.path(""))
        existing, free = free_bytes(folder, disk_usage)
        if free < self.bytes + RESERVE:
            raise StorageFull(
                f"about {self._share():.0%} of {self.photos:,} photos of size {self._settings.size!r} are still to "
                f"come, some {size(self.bytes)}, and {size(RESERVE)} are to stay free; {existing} has {size(free)}. "
                "Free some space, select fewer photos, choose a smaller `download.size`, or point MUSHROOM_STORE_ROOT "
                "elsewhere."
            )

    def _share(self) -> float:
        return self._missing / self._seen if self._seen else 1.0

    def _is_missing(self, photo_id: int, extension: str) -> bool:
        try:
            return self._photos.size(photo_path(self._settings.size, photo_id, extension)) is None
        except PhotoError:
            return False
