"""The devices that TensorFlow can use, and who holds their memory.

    for device in devices():
        print(device.name, device.free_bytes, device.holders)

GPUs are asked through NVIDIA's management library (package nvidia-ml-py), which needs no TensorFlow and no memory of
the GPU; without it, or without a GPU, only the CPU is reported.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Device:
    """One device: memory in bytes, and the processes that hold some of it, as "pid 41 (python) 2.1 GB"."""

    kind: str  # "CPU" or "GPU"
    name: str
    total_bytes: int
    free_bytes: int
    holders: tuple[str, ...] = ()


def devices() -> list[Device]:
    """Return the CPU (with main memory) and every visible NVIDIA GPU; never raises for a GPU that is absent."""
    total, free = _main_memory()
    return [Device("CPU", f"{os.cpu_count()} cores", total, free), *_gpus()]


def prepare_devices() -> None:
    """Let TensorFlow take GPU memory as it needs it, not all at once, so that tasks can share a GPU.

    Silent where TensorFlow has started already: it cannot be changed then.
    """
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        with suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)


def training_strategy(names: Sequence[str] | None = None) -> Any:
    """Return the `tf.distribute` strategy for these devices: MirroredStrategy where there are several.

    `names` are TensorFlow's, as "GPU:0"; None takes all GPUs, or else the CPU.
    """
    import tensorflow as tf

    chosen = [device.name for device in tf.config.list_logical_devices("GPU")] if names is None else list(names)
    return tf.distribute.MirroredStrategy(chosen) if len(chosen) > 1 else tf.distribute.get_strategy()


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Build Keras layers with this dtype policy inside the block."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def training_policy(*, mixed: bool) -> str:
    """Return Keras' dtype policy to train with: `mixed_float16` where it is wanted and there is a GPU.

    On a CPU float16 is slower than float32, and saves nothing.
    """
    import tensorflow as tf

    return "mixed_float16" if mixed and tf.config.list_physical_devices("GPU") else "float32"


def _main_memory() -> tuple[int, int]:
    page = os.sysconf("SC_PAGE_SIZE")
    total = page * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return total, int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024
    return total, page * os.sysconf("SC_AVPHYS_PAGES")


def _gpus() -> list[Device]:
    try:
        pynvml = importlib.import_module("pynvml")
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []  # no driver on this machine
    try:
        return [_gpu(pynvml, number) for number in range(pynvml.nvmlDeviceGetCount())]
    finally:
        pynvml.nvmlShutdown()


def _gpu(nvml: Any, number: int) -> Device:
    handle = nvml.nvmlDeviceGetHandleByIndex(number)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    holders: list[str] = []
    with suppress(nvml.NVMLError):
        holders = [_holder(process) for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle)]
    return Device("GPU", str(nvml.nvmlDeviceGetName(handle)), memory.total, memory.free, tuple(holders))


def _holder(process: Any) -> str:
    try:
        name = Path(f"/proc/{process.pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        name = "of another container or user"
    used = f"{process.usedGpuMemory / 1e9:.1f} GB" if process.usedGpuMemory else "unknown memory"
    return f"pid {process.pid} ({name}) {used}"
