"""A gzip file as blocks of whole lines, unpacked in a thread while the caller works on the block before.

Unpacking is most of the work of a load. igzip (`isal`) does it about three times as fast as zlib, checks the CRC of
every gzip member, and releases the interpreter's lock, so it has a core of its own. Memory stays at a few blocks.

    for block in blocks(store, "snapshots/ab12/photos.csv.gz"):
        block.line, block.text.tobytes()
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from isal import igzip, isal_zlib

from mushroom_tasks.errors import TableError
from mushroom_tasks.storage import Store

BLOCK = 4 << 20  # bytes of text: large enough for numpy's loops, small enough for the caches
PAD = 8  # bytes before and after the text, so that a word of 8 can be read from or up to any place in it
TAB, NEWLINE = 9, 10
_AHEAD = 2  # blocks unpacked before they are asked for


@dataclass(frozen=True)
class Block:
    """Whole lines of a file.

    Attributes
    ----------
    data
        The text as bytes, with PAD bytes at least before and after it.
    begin, end
        Where in `data` the text begins, and where it ends, just behind a newline.
    line
        Number in the file of the block's first line; the file's own first line has number 1.
    """

    data: npt.NDArray[np.uint8]
    begin: int
    end: int
    line: int

    @property
    def text(self) -> npt.NDArray[np.uint8]:
        """The lines."""
        return self.data[self.begin : self.end]

    def pop_line(self) -> tuple[bytes, Block]:
        """Return the first line without its newline, and the block without that line."""
        end = self.begin + int(np.argmax(self.text == NEWLINE))
        return self.data[self.begin : end].tobytes(), replace(self, begin=end + 1, line=self.line + 1)


NOTHING = Block(np.array([0] * PAD + [NEWLINE] + [0] * PAD, np.uint8), PAD, PAD + 1, 1)  # an empty line


def blocks(store: Store, path: str, size: int = BLOCK) -> Iterator[Block]:
    """Yield a gzip file's text in blocks of about `size` bytes; a newline is added where the file ends without.

    Raises TableError where the file is damaged or cut off, or has a line that is longer than a block.
    """
    try:
        with store.open(path) as file, igzip.open(file) as text, ThreadPoolExecutor(1, "unpack") as thread:
            cutter = _Cutter(text, path, size)
            ahead: deque[Future[Block | None]] = deque(thread.submit(cutter.cut) for _ in range(_AHEAD))
            while (block := ahead.popleft().result()) is not None:
                ahead.append(thread.submit(cutter.cut))
                yield block
    except (OSError, EOFError, isal_zlib.error) as error:
        raise TableError(f"{path} cannot be parsed as tab-separated values: {error}") from error


class _Cutter:
    """Cuts a stream at newlines, and counts the lines."""

    def __init__(self, stream: io.BufferedIOBase, path: str, size: int) -> None:
        self._stream, self._path, self._size = stream, path, size
        self._rest = b""  # the line that the block before broke off in
        self._line = 1

    def cut(self) -> Block | None:
        """Return the next block; None at the end."""
        buffer = bytearray(PAD + self._size + PAD)
        buffer[PAD : PAD + len(self._rest)] = self._rest
        begin, end = PAD + len(self._rest), PAD + self._size
        with memoryview(buffer) as view:
            while begin < end and (received := self._stream.readinto(view[begin:end])):
                begin += received
        if begin == PAD:
            return None
        if begin < end and buffer[begin - 1] != NEWLINE:
            buffer[begin] = NEWLINE
            begin += 1
        cut = buffer.rfind(b"\n", PAD, begin) + 1
        if cut == 0:
            raise TableError(
                f"{self._path} cannot be parsed as tab-separated values: line {self._line} has more than {self._size} "
                f"bytes. It begins with {bytes(buffer[PAD : PAD + 120])!r}"
            )
        self._rest = bytes(buffer[cut:begin])
        block = Block(np.frombuffer(buffer, np.uint8), PAD, cut, self._line)
        self._line += buffer.count(b"\n", PAD, cut)
        return block
