"""Kept rows into typed columns. A value that does not fit its column is named, never guessed or cut.

batch = convert(rows, PHOTOS, {"photo_uuid": 0, "photo_id": 1, ...})      # pa.ArrowInvalid where one does not fit
for name, mask in unfit(rows, PHOTOS, places): ...                        # which ones
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mushroom_tasks.arrays import to_arrow
from mushroom_tasks.inat.loading.rows import Rows
from mushroom_tasks.inat.tables import Column, Table
from mushroom_tasks.inat.vectors import Mask

# Python's own values would be handed to pyarrow.scalar, which imports pandas: a second of every load.
_ZERO = to_arrow(np.zeros(1, np.int32))[0]
_NULL = pa.nulls(1, pa.string())[0]


def convert(rows: Rows, table: Table, places: Mapping[str, int]) -> pa.RecordBatch:
    """Return the columns of `table`, whose places in the file are `places`; a column that the file lacks is null.

    Raises pyarrow.ArrowInvalid where a value does not fit.
    """
    columns = [
        _convert(rows.values(places[column.name]), column)
        if column.name in places
        else pa.nulls(len(rows), column.type)
        for column in table.columns
    ]
    return pa.record_batch(columns, names=table.names)


def unfit(rows: Rows, table: Table, places: Mapping[str, int]) -> Iterator[tuple[str, Mask]]:
    """Yield the columns with values that do not fit, and which rows have them."""
    for column in table.columns:
        if column.name in places:
            mask = np.zeros(len(rows), np.bool_)
            mask[_unfit(rows.values(places[column.name]), column)] = True
            if mask.any():
                yield column.name, mask


def _unfit(values: pa.BinaryArray, column: Column, begin: int = 0) -> list[int]:
    """Return the places of the values that do not fit, found by halving: few are bad, and casts have a fixed cost."""
    try:
        _convert(values, column)
    except pa.ArrowInvalid:
        if len(values) == 1:
            return [begin]
        half = len(values) // 2
        return _unfit(values[:half], column, begin) + _unfit(values[half:], column, begin + half)
    return []


def _convert(values: pa.BinaryArray, column: Column) -> pa.Array:
    text = values.cast(pa.string())  # refuses what is not UTF-8
    if column.empty == "null":
        text = pc.if_else(pc.equal(pc.binary_length(text), _ZERO), _NULL, text)
    elif column.empty == "refused":
        _require(pc.greater(pc.binary_length(text), _ZERO))
    if column.pattern:
        _require(pc.match_substring_regex(text, column.pattern))
    elif column.type == pa.string():
        _require(pc.invert(pc.match_substring(text, "\0")))  # PostgreSQL stores no NUL
    typed = text.cast(column.type)
    if column.type == pa.float64():
        _require(pc.is_finite(typed))
    elif column.is_id:
        _require(pc.greater_equal(typed, _ZERO))
    return typed


def _require(fits: pa.BooleanArray) -> None:
    if fits.false_count:
        raise pa.ArrowInvalid("a value does not fit")
