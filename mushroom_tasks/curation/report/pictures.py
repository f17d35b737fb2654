"""Photos of a report, read from the store by several threads: the middle square of each, as the model sees it.

with Pictures(store, facts) as pictures:
    pictures.read(rows)        # squares of SIDE pixels in that order, None for a photo that is gone
"""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from PIL import Image

from mushroom_tasks import imaging
from mushroom_tasks.curation.report.facts import Facts
from mushroom_tasks.errors import PhotoError
from mushroom_tasks.storage import Store

logger = logging.getLogger(__name__)

SIDE = 160  # pixels
_THREADS = 8  # most of the time they wait for the store
_QUALITY = 72  # of a JPEG on the page


class Pictures:
    """Reads photos of the store; the smaller copy where there is one. Close it, or use it as a context.

    Parameters
    ----------
    store
        Where the photos lie.
    facts
        The rows that name them.
    """

    def __init__(self, store: Store, facts: Facts) -> None:
        self._store = store
        self._rows = facts.rows
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="report")

    def __enter__(self) -> Pictures:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def read(self, rows: Sequence[int], side: int = SIDE) -> list[Image.Image | None]:
        """Return the middle squares of photos, `side` x `side` pixels; None where one is gone or damaged."""
        return list(self._pool.map(lambda row: self._square(int(row), side), rows))

    def _square(self, row: int, side: int) -> Image.Image | None:
        path = self._rows["small_path"][row].as_py() or self._rows["path"][row].as_py()
        if path is None:
            return None
        try:
            return imaging.square(self._store.read_bytes(path), side)
        except (FileNotFoundError, PhotoError) as error:
            logger.info("%s is not shown: %s", path, error)
            return None


def jpeg(image: Image.Image) -> bytes:
    """Return a picture as a small JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()
