"""Room on the disk, asked for before anything is fetched.

require_space(folder, need=33_000_000_000, what="the snapshot")
"""

from __future__ import annotations

import shutil
from pathlib import Path

from mushroom_tasks.disk import RESERVE, DiskUsage, free_bytes
from mushroom_tasks.errors import StorageFull
from mushroom_tasks.progress import size


def require_space(folder: Path, need: int, what: str, disk_usage: DiskUsage = shutil.disk_usage) -> None:
    """Raise StorageFull where the disk of `folder` has not `need` bytes free, and a small reserve."""
    existing, free = free_bytes(folder, disk_usage)
    if need and free < need + RESERVE:
        raise StorageFull(
            f"{what} needs {size(need + RESERVE)} ({need + RESERVE} bytes) below {existing}, where {size(free)} "
            f"({free} bytes) are free: {size(need + RESERVE - free)} are missing. Free some space, lower the setting "
            "`source_access.keep_snapshots`, or point MUSHROOM_STORE_ROOT (or MUSHROOM_HOME, for a remote store) "
            "elsewhere; what was fetched is kept."
        )
