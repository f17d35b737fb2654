"""Arrow arrays of Python values and NumPy's, made without pandas.

`pa.array`, `pa.scalar` and `to_numpy` import pandas wherever it is installed: 50 MB and up to a second of a load or a
download, which need neither.

    array(["jpg", None], pa.string())
    to_arrow(np.arange(5))
    batch.filter(mask(photo_id % 4 == 0 for photo_id in batch["photo_id"].to_pylist()))
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return an array of texts or whole numbers; None becomes null."""
    is_valid = np.fromiter((value is not None for value in values), bool, len(values))
    valid = None if is_valid.all() else _bits(is_valid)
    if pa.types.is_string(kind):
        texts = [b"" if value is None else value.encode() for value in values]
        ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
        buffers = [valid, pa.py_buffer(ends), pa.py_buffer(b"".join(texts))]
    else:
        numbers = np.fromiter((value or 0 for value in values), f"i{kind.bit_width // 8}", len(values))
        buffers = [valid, pa.py_buffer(numbers)]
    return pa.Array.from_buffers(kind, len(values), buffers)


def mask(values: Iterable[bool]) -> pa.Array:
    """Return an array of truth values, as `filter` takes it."""
    bits = np.fromiter(values, bool)
    return pa.Array.from_buffers(pa.bool_(), len(bits), [None, _bits(bits)])


def to_arrow(numbers: npt.NDArray[np.integer[Any]]) -> pa.Array:
    """Return whole numbers as an arrow array that shares their memory."""
    kind = pa.from_numpy_dtype(numbers.dtype)
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(np.ascontiguousarray(numbers))])


def to_numpy(numbers: pa.Int32Array) -> npt.NDArray[np.int32]:
    """Return 32-bit numbers, none of them null, as a numpy array that shares their memory."""
    return np.frombuffer(numbers.buffers()[1], np.int32)[numbers.offset : numbers.offset + len(numbers)]


def _bits(values: np.ndarray[Any, np.dtype[np.bool_]]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))
