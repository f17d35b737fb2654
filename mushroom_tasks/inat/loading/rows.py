"""The rows of a block by the places of their separators: nothing is copied before it is known to be wanted.

A row is wanted for one of its values, and a few per cent are. So the key column is read where it lies, for all rows
at once, and only the lines that are wanted are cut out and converted.

    rows, misfits = split(block, columns=9)
    numbers, is_number = rows.integers(5)
    kept = rows.take(is_number & (numbers == 47169))
    kept.values(6)          # arrow array of bytes
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from mushroom_tasks.arrays import to_arrow
from mushroom_tasks.inat.loading.blocks import NEWLINE, TAB, Block
from mushroom_tasks.inat.vectors import UUID_LENGTH, WORD, Bytes, Mask, Places, Words, parse_digits, parse_uuids


class Misfit(NamedTuple):
    """A line with more or fewer columns than the first line of the file."""

    line: int
    text: bytes
    columns: int


@dataclass(frozen=True)
class Rows:
    """Rows of one block.

    Attributes
    ----------
    data
        Bytes that hold the rows, with PAD bytes before and after them.
    starts
        Where each row begins in `data`, shape (rows,).
    separators
        Where its tabs and its newline are, shape (rows, columns).
    lines
        Its line number in the file, shape (rows,).
    """

    data: Bytes
    starts: Places
    separators: Places
    lines: Places

    def __len__(self) -> int:
        return len(self.starts)

    def bounds(self, column: int) -> tuple[Places, Places]:
        """Return where the values of a column begin and end."""
        begins = self.starts if column == 0 else self.separators[:, column - 1] + 1
        return begins, self.separators[:, column]

    def texts(self) -> Iterator[bytes]:
        """Yield the rows as they are, without their newlines."""
        view = self.data.data
        for start, end in zip(self.starts.tolist(), self.separators[:, -1].tolist(), strict=True):
            yield bytes(view[start:end])

    def take(self, mask: Mask) -> Rows:
        """Return some of the rows; they stay where they lie."""
        return Rows(self.data, self.starts[mask], self.separators[mask], self.lines[mask])

    def values(self, column: int) -> pa.BinaryArray:
        """Return a copy of the values of a column, as bytes."""
        begins, ends = self.bounds(column)
        if not len(self):
            return pa.nulls(0, pa.binary())
        # Arrow's values lie without gaps: take the gaps for values too, and then every other one.
        offsets = np.stack((begins, ends), axis=1).ravel().astype(np.int32)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self.data)]
        values_and_gaps = pa.BinaryArray.from_buffers(pa.binary(), len(offsets) - 1, buffers)
        return values_and_gaps.take(to_arrow(np.arange(0, len(offsets), 2)))

    def integers(self, column: int) -> tuple[Places, Mask]:
        """Return a column's values as whole numbers of up to 18 digits, and which of them are that; 0 else.

        Numbers of more than 8 digits, of which keys have none yet, are read one by one.
        """
        begins, ends = self.bounds(column)
        lengths = ends - begins
        numbers, are_digits = parse_digits(self._words(ends - WORD), np.minimum(lengths, WORD))
        are_digits &= lengths > 0
        for row in np.flatnonzero(lengths > WORD).tolist():
            value = self.data[begins[row] : ends[row]].tobytes()
            are_digits[row] = value.isdigit() and len(value) <= 18
            numbers[row] = int(value) if are_digits[row] else 0
        return np.where(are_digits, numbers, 0), are_digits

    def first_letters(self, column: int) -> Words:
        """Return the first 8 bytes of a column's values as little-endian words; values must be as long at least."""
        return self._words(self.bounds(column)[0])

    def uuids(self, column: int) -> tuple[Words, Mask]:
        """Return a column's values as 128 bits, shape (rows, 2), and which of them are uuids; 0 else."""
        begins, ends = self.bounds(column)
        are_uuids = ends - begins == UUID_LENGTH
        words = np.zeros((len(self), 2), np.uint64)
        letters = self.data[begins[are_uuids, None] + np.arange(UUID_LENGTH)]
        words[are_uuids], are_uuids[are_uuids] = parse_uuids(letters)
        return words, are_uuids

    def _words(self, begins: Places) -> Words:
        """Return the 8 bytes from each place on as little-endian numbers."""
        at_any_byte: Words = np.ndarray((len(self.data) - WORD + 1,), "<u8", self.data, strides=(1,))
        return at_any_byte[begins]


def split(block: Block, columns: int) -> tuple[Rows, list[Misfit]]:
    """Return the rows of a block, and the lines that are none; empty lines are neither."""
    found = np.flatnonzero(block.text <= NEWLINE) + block.begin  # both in one pass, and other control characters
    if len(found) % columns == 0:
        separators = found.reshape(len(found) // columns, columns)
        letters = block.data[separators]
        if (letters[:, -1] == NEWLINE).all() and (letters[:, :-1] == TAB).all():
            starts = np.concatenate(([block.begin], separators[:-1, -1] + 1))[: len(separators)]
            return Rows(block.data, starts, separators, block.line + np.arange(len(starts))), []
    return _split_unevenly(block, columns)


def _split_unevenly(block: Block, columns: int) -> tuple[Rows, list[Misfit]]:
    newlines = np.flatnonzero(block.text == NEWLINE) + block.begin
    tabs = np.flatnonzero(block.text == TAB) + block.begin
    starts = np.concatenate(([block.begin], newlines[:-1] + 1))
    lines = block.line + np.arange(len(starts))
    tabs_in = np.diff(np.searchsorted(tabs, newlines), prepend=0)
    fits = tabs_in == columns - 1
    misfits = [
        Misfit(int(lines[row]), block.data[starts[row] : newlines[row]].tobytes(), int(tabs_in[row]) + 1)
        for row in np.flatnonzero(~fits & (newlines > starts)).tolist()
    ]
    tabs = tabs[np.repeat(fits, tabs_in)].reshape(-1, columns - 1)
    return Rows(block.data, starts[fits], np.column_stack((tabs, newlines[fits])), lines[fits]), misfits
