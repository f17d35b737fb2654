"""Rows by the places of their separators: the same as splitting line by line."""

from __future__ import annotations

import uuid

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mushroom_tasks.inat.loading.blocks import PAD, Block
from mushroom_tasks.inat.loading.rows import Rows, split
from mushroom_tasks.inat.vectors import uuid_words


def _block(text: bytes, line: int = 2) -> Block:
    padded = bytes(PAD) + text + bytes(PAD)
    return Block(np.frombuffer(padded, np.uint8), PAD, PAD + len(text), line)


def _rows(lines: list[bytes], columns: int) -> Rows:
    rows, misfits = split(_block(b"".join(line + b"\n" for line in lines)), columns)
    assert misfits == []
    return rows


_LINES = st.lists(st.text("ab\t\0\r\x08é", max_size=8).map(str.encode), max_size=30)


@settings(deadline=None)  # a busy machine is no fault of the code
@given(_LINES, st.integers(2, 4))
def test_split__agrees_with_splitting_line_by_line(lines: list[bytes], columns: int) -> None:
    rows, misfits = split(_block(b"".join(line + b"\n" for line in lines)), columns)
    fitting = [(n, line) for n, line in enumerate(lines, 2) if line.count(b"\t") == columns - 1]
    assert list(zip(rows.lines.tolist(), rows.texts(), strict=True)) == fitting
    assert [(m.line, m.text, m.columns) for m in misfits] == [
        (n, line, line.count(b"\t") + 1) for n, line in enumerate(lines, 2) if line and line.count(b"\t") != columns - 1
    ]
    for column in range(columns):
        assert rows.values(column).to_pylist() == [line.split(b"\t")[column] for _, line in fitting]


@settings(deadline=None)  # a busy machine is no fault of the code
@given(_LINES, st.data())
def test_take__leaves_rows_as_they_are(lines: list[bytes], data: st.DataObject) -> None:
    rows, _ = split(_block(b"".join(line + b"\n" for line in lines)), 2)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))), np.bool_)
    taken = rows.take(mask)
    assert list(taken.texts()) == [text for text, is_taken in zip(rows.texts(), mask, strict=True) if is_taken]
    assert taken.values(1).to_pylist() == rows.values(1).filter(pa.array(mask)).to_pylist()


@settings(deadline=None)  # a busy machine is no fault of the code
@given(st.lists(st.one_of(st.integers(0, 10**19).map(str), st.text("0123456789-+ ./:aF", max_size=12))))
def test_integers__takes_digits_and_nothing_else(texts: list[str]) -> None:
    numbers, are_numbers = _rows([f"{text}\tx".encode() for text in texts], 2).integers(0)
    fits = [text.isdigit() and len(text) <= 18 for text in texts]
    assert are_numbers.tolist() == fits
    assert numbers.tolist() == [int(text) if fit else 0 for text, fit in zip(texts, fits, strict=True)]


@settings(deadline=None)  # a busy machine is no fault of the code
@given(st.lists(st.uuids()), st.booleans())
def test_uuids__are_their_128_bits(uuids: list[uuid.UUID], is_upper: bool) -> None:
    texts = [str(each).upper() if is_upper else str(each) for each in uuids]
    words, are_uuids = _rows([f"x\t{text}".encode() for text in texts], 2).uuids(1)
    assert are_uuids.all()
    assert [int(high) << 64 | int(low) for high, low in words.tolist()] == [each.int for each in uuids]
    assert uuid_words(pa.array(["", *texts], pa.string())[1:]).tolist() == words.tolist()


@pytest.mark.parametrize(
    "text", ["", "short", "x" * 36, f"{uuid.UUID(int=5)}0", str(uuid.UUID(int=5)).replace("-", "0", 1)]
)
def test_uuids__refuses_other_texts(text: str) -> None:
    good = str(uuid.UUID(int=7))
    words, are_uuids = _rows([text.encode(), good.encode()], 1).uuids(0)
    assert are_uuids.tolist() == [False, True]
    assert words[1].tolist() == [0, 7]
