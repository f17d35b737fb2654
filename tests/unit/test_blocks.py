"""Cutting an unpacked file at its newlines."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from mushroom_tasks.errors import TableError
from mushroom_tasks.inat.loading.blocks import PAD, Block, blocks
from mushroom_tasks.storage import Store


def _blocks(folder: Path, data: bytes, size: int) -> list[Block]:
    (folder / "table.csv.gz").write_bytes(data)
    return list(blocks(Store(folder), "table.csv.gz", size))


@pytest.mark.parametrize("size", [40, 64, 1000, 100_000])
def test_blocks__are_whole_lines_with_their_numbers(tmp_path: Path, size: int) -> None:
    lines = [b"x" * random.Random(n).randrange(39) + b"\n" for n in range(500)]
    found = _blocks(tmp_path, gzip.compress(b"".join(lines)), size)
    number = 1
    for block in found:
        text = block.text.tobytes()
        assert text == b"".join(lines[block.line - 1 :])[: len(text)]
        assert (block.line, text[-1:]) == (number, b"\n")
        assert len(block.data) >= block.end + PAD
        number += text.count(b"\n")
    assert b"".join(block.text.tobytes() for block in found) == b"".join(lines)


def test_blocks__ends_the_last_line(tmp_path: Path) -> None:
    assert [b.text.tobytes() for b in _blocks(tmp_path, gzip.compress(b"one\ntwo"), 100)] == [b"one\ntwo\n"]
    assert [b.text.tobytes() for b in _blocks(tmp_path, gzip.compress(b"one\ntwo"), 7)] == [b"one\n", b"two\n"]


def test_blocks__reads_every_gzip_member(tmp_path: Path) -> None:
    (block,) = _blocks(tmp_path, gzip.compress(b"one\nt") + gzip.compress(b"") + gzip.compress(b"wo\n"), 100)
    assert block.text.tobytes() == b"one\ntwo\n"


def test_blocks__of_an_empty_file(tmp_path: Path) -> None:
    assert _blocks(tmp_path, gzip.compress(b""), 100) == []


def test_blocks__refuses_a_line_without_end(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"table.csv.gz cannot be parsed.*line 2 has more than 50 bytes.*aaaa"):
        _blocks(tmp_path, gzip.compress(b"one\n" + b"a" * 1000 + b"\nlast\n"), 50)


def _flipped(data: bytes) -> bytes:
    return data[:2000] + bytes([data[2000] ^ 255]) + data[2001:]


@pytest.mark.parametrize(
    "spoil", [lambda data: data[: len(data) // 2], lambda data: data[:-3], _flipped, lambda data: b"no gzip" + data]
)
def test_blocks__refuses_a_damaged_file(tmp_path: Path, spoil: object) -> None:
    data = gzip.compress(b"".join(b"%d\n" % random.Random(n).getrandbits(64) for n in range(2000)))
    with pytest.raises(TableError, match="cannot be parsed"):
        _blocks(tmp_path, spoil(data), 4000)  # type: ignore[operator]


def test_blocks__can_be_left_early(tmp_path: Path) -> None:
    (tmp_path / "table.csv.gz").write_bytes(gzip.compress(b"line\n" * 100_000))
    for block in blocks(Store(tmp_path), "table.csv.gz", 1000):
        assert block.line == 1
        break
