"""Checkpoints of PyTorch without PyTorch."""

from __future__ import annotations

import io
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class FakeTorch:
    """Writes checkpoints as torch.save does, without torch: names are pickled as globals, storages as ids."""

    class _Global:
        def __init__(self, module: str, name: str) -> None:
            self.module, self.name = module, name

    class _Pickler(pickle._Pickler):  # the Python one: it lets a class be pickled under a name that does not exist here
        def save(self, obj: Any, save_persistent_id: bool = True) -> None:
            if isinstance(obj, FakeTorch._Global):
                self.write(f"c{obj.module}\n{obj.name}\n".encode())
            elif isinstance(obj, FakeTorch.Tensor):
                self.save(FakeTorch._Global("torch._utils", "_rebuild_tensor_v2"))
                self.save((obj.storage, obj.offset, obj.shape, obj.strides, False, OrderedDict()))
                self.write(pickle.REDUCE)
            else:
                super().save(obj, save_persistent_id)

        def persistent_id(self, obj: Any) -> Any:
            if isinstance(obj, FakeTorch.Storage):
                return ("storage", FakeTorch._Global("torch", "FloatStorage"), obj.key, "cpu", len(obj.values), None)
            return None

    class Storage:
        def __init__(self, key: str, values: NDArray[np.float32]) -> None:
            self.key, self.values = key, values

    class Tensor:
        def __init__(self, storage: Any, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> None:
            self.storage, self.shape, self.strides, self.offset = storage, shape, strides, offset

    @classmethod
    def tensor(cls, key: str, values: NDArray[Any]) -> Tensor:
        strides = tuple(step // 4 for step in np.ascontiguousarray(values, np.float32).strides)
        return cls.Tensor(cls.Storage(key, values.astype(np.float32).ravel()), values.shape, strides)

    @classmethod
    def save(cls, state: dict[str, Any], path: Path) -> None:
        stream = io.BytesIO()
        storages = {t.storage.key: t.storage for t in state.values() if isinstance(t, cls.Tensor)}
        for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, OrderedDict(state), sorted(storages)):
            cls._Pickler(stream, protocol=2).dump(part)
        for key in sorted(storages):
            stream.write(struct.pack("<q", len(storages[key].values)) + storages[key].values.tobytes())
        path.write_bytes(stream.getvalue())
