"""Rows that are done in any order, handed on in the order of their numbers, as batches of DOWNLOADS.

    rows = OrderedRows(write)
    await rows.room(number)         # not too far ahead of what is handed on
    rows.put(number, row)

Photos that take long (a pause, a retry) would otherwise pile up whatever was done after them. Memory is bounded by
`AHEAD` batches of `BATCH` rows, some 10 MB, whatever the length of the list.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from mushroom_tasks.arrays import array
from mushroom_tasks.manifests import DOWNLOADS

BATCH = 8192  # rows
AHEAD = 4  # batches that may have begun
Row = tuple[Any, ...]


class OrderedRows:
    """Rows numbered from 0; `write` gets them in order, every batch once its last row is there."""

    def __init__(self, write: Callable[[pa.RecordBatch], None]) -> None:
        self._write = write
        self._begun: dict[int, dict[int, Row]] = {}
        self._whole: dict[int, pa.RecordBatch] = {}
        self._next = 0  # batch to be handed on
        self._moved = asyncio.Event()

    async def room(self, number: int) -> None:
        """Wait until a row of this number may be begun."""
        while number // BATCH >= self._next + AHEAD:
            self._moved.clear()
            await self._moved.wait()

    def put(self, number: int, row: Row) -> None:
        """Add a row: its columns as DOWNLOADS has them."""
        batch = number // BATCH
        rows = self._begun.setdefault(batch, {})
        rows[number] = row
        if len(rows) == BATCH:
            self._whole[batch] = _batch(self._begun.pop(batch))
            self._hand_on()

    def finish(self) -> None:
        """Hand on the last rows, which fill no batch."""
        for batch in sorted(self._begun):
            self._whole[batch] = _batch(self._begun[batch])
        self._begun.clear()
        self._hand_on()

    def _hand_on(self) -> None:
        while self._next in self._whole:
            self._write(self._whole.pop(self._next))
            self._next += 1
        self._moved.set()


def _batch(rows: dict[int, Row]) -> pa.RecordBatch:
    columns = zip(*(rows[number] for number in sorted(rows)), strict=True)
    arrays = [array(column, field.type) for column, field in zip(columns, DOWNLOADS, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=DOWNLOADS)
