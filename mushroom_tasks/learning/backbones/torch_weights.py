"""Read the tensors of a PyTorch checkpoint (`.pth`) with numpy alone.

A checkpoint is a pickle, and a pickle can run code. This reader refuses every name but the few that a plain
state dict of tensors needs, so a hostile file ends in WeightsMismatch, not in a shell. Both layouts are read: the
one-stream layout of PyTorch before 1.6, and the zip archive written since.

    tensors = read_tensors(Path("efficientnet-lite0-57934424.pth"))     # {"_conv_stem.weight": (32, 3, 3, 3), ...}

Needs neither torch nor TensorFlow. Layouts as in torch/serialization.py: `_legacy_save` and `_save`.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.errors import WeightsMismatch

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]
    length: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Return the tensors of a checkpoint by name.

    Raises
    ------
    WeightsMismatch
        The file is no checkpoint of plain tensors, is cut off, or names anything a state dict does not need.
    """
    try:
        with path.open("rb") as file:
            return _read_zip(path) if zipfile.is_zipfile(file) else _read_legacy(path)
    except (pickle.UnpicklingError, zipfile.BadZipFile, EOFError, KeyError, IndexError) as error:
        raise _refused(path, error) from error
    except (AttributeError, TypeError, ValueError, OverflowError, MemoryError) as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: Exception) -> WeightsMismatch:
    return WeightsMismatch(
        f"{path} is no PyTorch checkpoint of plain tensors: {type(error).__name__}: {error}. "
        "Give a state dict saved by torch.save, or a .weights.h5 or .keras file."
    )


class _TensorUnpickler(pickle.Unpickler):
    """Unpickles tensors as descriptions; refuses every other name."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _describe
        if module == "torch" and name in _DTYPES:
            return np.dtype(_DTYPES[name])
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no state dict of tensors needs")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _location, length, *view = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or (view and view[0] is not None):
            raise pickle.UnpicklingError(f"it holds a storage of an unknown kind: {pid!r}")
        return _Storage(str(key), dtype, int(length))


def _describe(storage: Any, offset: Any, shape: Any, strides: Any, *_unused: Any) -> _Tensor:
    if not isinstance(storage, _Storage) or len(shape) != len(strides):
        raise pickle.UnpicklingError("it holds a tensor without a storage, or whose shape and strides differ")
    return _Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def _read_legacy(path: Path) -> dict[str, NDArray[Any]]:
    """Five pickles (magic, version, system, state dict, storage keys), then each storage: int64 length, raw data."""
    with path.open("rb") as file:
        if _TensorUnpickler(file).load() != _LEGACY_MAGIC:
            raise pickle.UnpicklingError("the magic number is missing")
        _version, _system = _TensorUnpickler(file).load(), _TensorUnpickler(file).load()
        tensors = _tensors_of(_TensorUnpickler(file).load())
        dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
        keys = _TensorUnpickler(file).load()
        data = {key: _read_storage(file, dtypes[key]) for key in keys}
    return {name: _materialize(name, tensor, data[tensor.storage.key]) for name, tensor in tensors.items()}


def _read_storage(file: IO[bytes], dtype: np.dtype[Any]) -> NDArray[Any]:
    length = int.from_bytes(file.read(8), "little", signed=True)
    raw = file.read(length * dtype.itemsize) if length >= 0 else b""
    if len(raw) != length * dtype.itemsize:
        raise EOFError(f"a storage of {length} values breaks off after {len(raw)} bytes")
    return np.frombuffer(raw, dtype)


def _read_zip(path: Path) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise pickle.UnpicklingError("the archive has no data.pkl")
        folder = pickles[0].removesuffix("data.pkl")
        tensors = _tensors_of(_TensorUnpickler(io.BytesIO(archive.read(pickles[0]))).load())
        return {
            name: _materialize(
                name, tensor, np.frombuffer(archive.read(f"{folder}data/{tensor.storage.key}"), tensor.storage.dtype)
            )
            for name, tensor in tensors.items()
        }


def _tensors_of(loaded: Any) -> dict[str, _Tensor]:
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict) or not loaded:
        raise pickle.UnpicklingError(f"it holds a {type(loaded).__name__}, not a state dict")
    wrong = [name for name, value in loaded.items() if not (isinstance(name, str) and isinstance(value, _Tensor))]
    if wrong:
        raise pickle.UnpicklingError(f"entries that are no tensors: {wrong[:3]}")
    return dict(loaded)


def _materialize(name: str, tensor: _Tensor, data: NDArray[Any]) -> NDArray[Any]:
    """Copy a tensor out of its storage. Strides come from the file: they are checked before memory is touched."""
    if min((*tensor.shape, *tensor.strides, tensor.offset), default=0) < 0:
        raise pickle.UnpicklingError(f"tensor {name} has a negative shape, stride or offset")
    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
    if math.prod(tensor.shape) and last >= data.size:
        raise pickle.UnpicklingError(f"tensor {name} of shape {tensor.shape} reaches beyond its {data.size} values")
    if not math.prod(tensor.shape):
        return np.empty(tensor.shape, data.dtype)
    steps = tuple(step * data.itemsize for step in tensor.strides)
    return np.lib.stride_tricks.as_strided(data[tensor.offset :], tensor.shape, steps, writeable=False).copy()
