"""What one decode tells of a photo beside its features: quality and perceptual hash, kept per photo.

looks = LookStore(store)
looks.add(looks_table(rows, [look(image) for image in images]))
looks.read(rows)["sharpness"]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from PIL import Image

from mushroom_tasks.errors import CurationError
from mushroom_tasks.perceptual_hash import perceptual_hash
from mushroom_tasks.photo_table import PhotoTable
from mushroom_tasks.photos.quality import Quality, grey, measure
from mushroom_tasks.storage import Store

# Raise when `look` returns other values for the same photo: what was kept before is then left behind.
VERSION = 1

_MEASURED = [
    *(pa.field(name, pa.float32(), nullable=False) for name in Quality._fields),
    pa.field("hash", pa.uint64(), nullable=False),
]
LOOKS = pa.schema(
    [pa.field("photo_id", pa.int64(), nullable=False), pa.field("sha256", pa.string(), nullable=False), *_MEASURED]
)


class Look(NamedTuple):
    """What is kept of one photo; see `quality` and `perceptual_hash`."""

    quality: Quality
    hash: int


def look(image: Image.Image) -> Look:
    """Measure a decoded, upright photo."""
    picture = grey(image)
    return Look(measure(picture), perceptual_hash(picture))


def looks_table(rows: pa.Table, looks: Sequence[Look]) -> pa.Table:
    """Return the looks of `rows` (with photo_id and sha256), in their order, as a table of schema `LOOKS`."""
    values = zip(*((*each.quality, each.hash) for each in looks), strict=True) if looks else ((),) * len(_MEASURED)
    columns = [pa.array(column, field.type) for column, field in zip(values, _MEASURED, strict=True)]
    return pa.table([rows["photo_id"], rows["sha256"], *columns], names=LOOKS.names).cast(LOOKS)


class LookStore:
    """The looks of all photos that were embedded, whichever the embedder."""

    def __init__(self, store: Store) -> None:
        self._table = PhotoTable(store, f"looks/{VERSION}", CurationError)

    def missing(self, rows: pa.Table) -> pa.Table:
        """Return the rows (with photo_id and sha256) whose content was not looked at yet."""
        return self._table.missing(rows)

    def add(self, table: pa.Table) -> None:
        """Keep looks (schema `LOOKS`), of earlier contents of a photo as well."""
        self._table.add(table)

    def read(self, rows: pa.Table) -> pa.Table:
        """Return the measures and the hash of `rows` (with photo_id and sha256), in their order.

        Columns sharpness, brightness, contrast, text_share (float32) and hash (uint64). Raises CurationError where a
        photo was not looked at.
        """
        names = [field.name for field in _MEASURED]
        found = list(self._table.parts(rows, names))
        if not found:
            return pa.schema(_MEASURED).empty_table()
        order = np.argsort(np.concatenate([positions for positions, _ in found]))
        return pa.concat_tables([part for _, part in found]).take(pa.array(order))
