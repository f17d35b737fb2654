"""Numbers and uuids of many rows at once, out of their text.

numbers, are_numbers = parse_digits(words, lengths)
words, are_uuids = parse_uuids(letters)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]

WORD = 8  # bytes
UUID_LENGTH = 36  # letters
_NIBBLES = np.full(256, 255, np.uint8)  # value of a hexadecimal digit; 255 for any other byte
_NIBBLES[np.frombuffer(b"0123456789abcdefABCDEF", np.uint8)] = [*range(16), *range(10, 16)]
_DASHES = np.array([8, 13, 18, 23])
_DIGITS = np.setdiff1d(np.arange(UUID_LENGTH), _DASHES)
# Where a number of n digits ends a word, the bytes before it are replaced by zeros (0x30).
_DIGITS_MASK = np.array([0, *((~0 << 8 * (WORD - n)) & (2**64 - 1) for n in range(1, WORD + 1))], np.uint64)


def parse_digits(words: Words, lengths: Places) -> tuple[Places, Mask]:
    """Return the numbers that the last `lengths` bytes of each word (0 to 8) spell, and whether these are all digits.

    `words` are little-endian: the last letter is in the highest byte. Eight digits are added up in three
    multiplications instead of eight steps.
    """
    zeros = np.uint64(0x3030303030303030)
    mask = _DIGITS_MASK[lengths]
    words = (words & mask) | (zeros & ~mask)
    high = np.uint64(0xF0F0F0F0F0F0F0F0)
    are_digits = ((words & high) == zeros) & (((words + np.uint64(0x0606060606060606)) & high) == zeros)
    words &= np.uint64(0x0F0F0F0F0F0F0F0F)
    words = (words * np.uint64(10 * 2**8 + 1)) >> np.uint64(8)
    words &= np.uint64(0x00FF00FF00FF00FF)
    words = (words * np.uint64(100 * 2**16 + 1)) >> np.uint64(16)
    words &= np.uint64(0x0000FFFF0000FFFF)
    words = (words * np.uint64(10_000 * 2**32 + 1)) >> np.uint64(32)
    return words.astype(np.int64), are_digits


def parse_uuids(letters: Bytes) -> tuple[Words, Mask]:
    """Return what texts, shape (uuids, 36), spell as 128 bits, shape (uuids, 2), and whether they are uuids.

    What is none gives any number.
    """
    nibbles = _NIBBLES[letters[:, _DIGITS]]
    are_uuids = (nibbles < 16).all(axis=1) & (letters[:, _DASHES] == ord("-")).all(axis=1)
    octets = np.ascontiguousarray((nibbles[:, 0::2] << 4) | (nibbles[:, 1::2] & 15))
    return octets.view(">u8").astype(np.uint64), are_uuids


def uuid_words(uuids: pa.StringArray) -> Words:
    """Return uuids, all of them well-formed, as 128 bits each, shape (uuids, 2)."""
    fixed = uuids.cast(pa.binary()).cast(pa.binary(UUID_LENGTH))
    letters = np.frombuffer(fixed.buffers()[1], np.uint8).reshape(-1, UUID_LENGTH)
    return parse_uuids(letters[fixed.offset : fixed.offset + len(fixed)])[0]
