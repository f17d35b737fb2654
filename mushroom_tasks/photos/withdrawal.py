"""Delete photos that iNaturalist no longer publishes from the store.

A photographer may delete a photo, or close its licence; what the workflow kept of it goes too, in every size.

    delete(store, [128036])         # 1: one file was deleted
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable

from mushroom_tasks.identifiers import folder_number
from mushroom_tasks.photos import thumbnails
from mushroom_tasks.photos.store import ROOT
from mushroom_tasks.storage import Store

logger = logging.getLogger(__name__)


def delete(store: Store, photo_ids: Iterable[int]) -> int:
    """Delete these photos, in every size and extension there is; return how many files were deleted.

    Folders are listed, not files asked for one by one: of the photos withdrawn in a month the store holds few.
    """
    by_folder: dict[str, set[str]] = defaultdict(set)
    for photo_id in photo_ids:
        by_folder[folder_number(photo_id)].add(str(photo_id))
    deleted = 0
    # Copies are listed when their photos are gone: `thumbnail` looks for the photo after it has written a copy.
    for size in (f"{root}/{size}" for root in (ROOT, thumbnails.ROOT) for size in store.list(root)):
        for number in sorted(set(store.list(size)) & by_folder.keys()):
            folder = f"{size}/{number}"
            for name in store.list(folder):
                if name.partition(".")[0] in by_folder[number]:
                    store.delete(f"{folder}/{name}")
                    deleted += 1
    if deleted:
        logger.info("%d files of photos that were withdrawn at iNaturalist are deleted", deleted)
    return deleted
