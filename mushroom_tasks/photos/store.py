"""Where a photo lies in the store.

Photos are named by size and `photo_id`, so every selection of that size shares them, and spread over 1,000 folders,
so no folder grows too large to list.

    photo_path("medium", 128036, "jpg")      # "photos/medium/036/128036.jpg"
"""

from __future__ import annotations

import re

from mushroom_tasks.errors import PhotoError
from mushroom_tasks.settings import PhotoSize

_EXTENSION = re.compile(r"[A-Za-z0-9]{1,8}")


def photo_path(size: PhotoSize, photo_id: int, extension: str) -> str:
    """Return a photo's path relative to the store root.

    `extension` is upstream's, kept as it is although it may not tell the format. It comes from a table that
    anybody could have written, so one that is no plain file extension raises PhotoError (`not_an_image`).
    """
    if not _EXTENSION.fullmatch(extension):
        raise PhotoError("not_an_image", f"the photo's extension is no file extension. Received: {extension!r}")
    return f"photos/{size}/{photo_id % 1000:03d}/{photo_id}.{extension}"
