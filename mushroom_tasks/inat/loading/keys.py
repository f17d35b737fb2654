"""Which rows of a file are wanted: sets of ids and of uuids, made for millions of look-ups at once.

A set of ids is a table with a byte per possible id (upstream's ids are 32-bit and dense), a set of uuids 16 bytes per
uuid with a coarser table before it that turns most rows away. Python's own sets would take ten times the memory.

    taxa = Ids()
    taxa.add(np.array([47169, 48250]))
    mask, malformed = ByIds("taxon_id", taxa).judge(rows, column=5)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mushroom_tasks.inat.loading.rows import Rows
from mushroom_tasks.inat.vectors import UUID_LENGTH, Mask, Places, Words

LARGEST_ID = 2**31 - 1
_LEAST_IDS = 1 << 16
_COARSE_LEAST, _COARSE_MOST = 20, 26  # bits: 1 MB to 64 MB
_PER_UUID = 16  # places of the coarse table, so that it lets pass a few per cent of what is not in the set
_AT_ONCE = 1 << 18
_LETTERS = np.frombuffer(b"0123456789abcdef", np.uint8)
_LOWERCASE = np.uint64(0x2020202020202020)  # makes hexadecimal letters small, and leaves digits and dashes alone
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # multiplicative hashing: the high bits of the product depend on all bits


class Wanted(Protocol):
    """What tells which rows of a file are wanted, by one column."""

    name: str  # of the column

    def judge(self, rows: Rows, column: int) -> tuple[Mask, Mask]:
        """Return which rows are wanted and which have no proper value in the column, at that place in the file."""
        ...


class Ids:
    """A set of ids from 0 to LARGEST_ID, each with a kind from 1 to 255.

    Takes a byte of memory per id up to the largest; of larger gaps between ids the system gives out no pages.
    """

    def __init__(self) -> None:
        self._kinds: npt.NDArray[np.uint8] = np.zeros(_LEAST_IDS, np.uint8)

    def add(self, ids: npt.NDArray[np.integer], kind: int | npt.NDArray[np.uint8] = 1) -> None:
        """Add ids, or give those that are there already another kind."""
        if not len(ids):
            return
        needed = int(ids.max()) + 2  # the last place stays empty: larger ids are looked up there
        if needed > len(self._kinds):
            larger = np.zeros(max(needed, 2 * len(self._kinds)), np.uint8)
            larger[: len(self._kinds)] = self._kinds
            self._kinds = larger
        self._kinds[ids] = kind

    def kinds(self, ids: Places) -> npt.NDArray[np.uint8]:
        """Return the kind of each id (0 or larger); 0 where it is not in the set."""
        found: npt.NDArray[np.uint8] = self._kinds.take(ids, mode="clip")
        return found


class Uuids:
    """A set of uuids, given as 128 bits each: two 64-bit words, shape (uuids, 2)."""

    def __init__(self, parts: Sequence[Words]) -> None:
        words = np.concatenate([np.empty((0, 2), np.uint64), *parts])
        order = np.argsort(words[:, 0], kind="stable")
        self._high, self._low = words[order, 0], words[order, 1]
        bits = min(max((_PER_UUID * len(words)).bit_length(), _COARSE_LEAST), _COARSE_MOST)
        self._shift = np.uint64(64 - bits)
        self._coarse = np.zeros(1 << bits, np.bool_)
        for begin in range(0, len(words), _AT_ONCE):
            self._coarse[self._hash(_first_letters(self._high[begin : begin + _AT_ONCE]))] = True

    def may_contain(self, first_letters: Words) -> Mask:
        """Tell quickly which uuids can be in the set, by the first 8 letters of their text, in either case."""
        found: Mask = self._coarse[self._hash(first_letters)]
        return found

    def contains(self, words: Words) -> Mask:
        """Tell which uuids are in the set."""
        found = np.zeros(len(words), np.bool_)
        places = np.searchsorted(self._high, words[:, 0])
        left = np.arange(len(words))
        while len(left := left[places[left] < len(self._high)]):  # again only where two uuids share their first half
            left = left[self._high[places[left]] == words[left, 0]]
            found[left] |= self._low[places[left]] == words[left, 1]
            places[left] += 1
        return found

    def _hash(self, first_letters: Words) -> Words:
        return ((first_letters | _LOWERCASE) * _SPREAD) >> self._shift


def _first_letters(high: Words) -> Words:
    """Return the text of each uuid's first 32 bits as a little-endian word, as the files would have it."""
    nibbles = (high[:, None] >> np.arange(60, 28, -4, dtype=np.uint64)) & np.uint64(15)
    words: Words = _LETTERS[nibbles].view("<u8")[:, 0]
    return words


class ByIds:
    """Rows whose id has at least the kind `least`; counts the ids that are in no set at all."""

    def __init__(self, name: str, ids: Ids, *, least: int = 1, empty_is_fine: bool = False) -> None:
        self.name, self.unknown = name, 0
        self._ids, self._least, self._empty_is_fine = ids, least, empty_is_fine

    def judge(self, rows: Rows, column: int) -> tuple[Mask, Mask]:
        """See `Wanted`."""
        ids, are_numbers = rows.integers(column)
        kinds = self._ids.kinds(ids)
        self.unknown += int(np.count_nonzero(are_numbers & (kinds == 0)))
        malformed = ~are_numbers
        if self._empty_is_fine and malformed.any():
            begins, ends = rows.bounds(column)
            malformed &= ends > begins
        return are_numbers & (kinds >= self._least), malformed


class ByUuids:
    """Rows whose uuid is in a set."""

    def __init__(self, name: str, uuids: Uuids) -> None:
        self.name, self._uuids = name, uuids

    def judge(self, rows: Rows, column: int) -> tuple[Mask, Mask]:
        """See `Wanted`; of rows that are not wanted only the length of the uuid is checked."""
        begins, ends = rows.bounds(column)
        malformed = ends - begins != UUID_LENGTH
        wanted = self._uuids.may_contain(rows.first_letters(column)) & ~malformed
        words, are_uuids = rows.take(wanted).uuids(column)
        malformed[wanted] = ~are_uuids
        wanted[wanted] = are_uuids & self._uuids.contains(words)
        return wanted, malformed
