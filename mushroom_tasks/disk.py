"""Room on a disk.

free_bytes(Path("/data/store/not/there/yet"))      # (PosixPath("/data"), 512110190592)
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

RESERVE = 256 << 20  # bytes that stay free: a full disk stops databases and logs as well


class Usage(Protocol):
    """What `shutil.disk_usage` returns."""

    @property
    def free(self) -> int:
        """Bytes that are free."""


DiskUsage = Callable[[Path], Usage]


def free_bytes(folder: Path, disk_usage: DiskUsage = shutil.disk_usage) -> tuple[Path, int]:
    """Return the nearest folder above that exists, or `folder` itself, and the bytes that are free on its disk."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return existing, disk_usage(existing).free
