"""Runs a program in a process of its own, and takes its times and the most memory that it and its children held.

Memory is PSS, the proportional set size: a page that several processes share is counted once in their sum, so a peer
that works with many processes is not charged for the libraries that they share. It is sampled; a shorter peak than
the pause between samples can be missed.

    run = measured([sys.executable, "program.py", "--photos", "10000"])
    run.seconds, run.cpu_seconds, run.peak_bytes, run.said["photos"]
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

PAUSE = 0.05  # seconds between two samples


@dataclass(frozen=True)
class Measured:
    """One run: wall and processor seconds of the whole tree, its peak PSS, and the JSON object in its last line.

    Processor seconds depend less than wall seconds on what else the machine does, though on a busy one they grow too.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    said: dict[str, Any]


def measured(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Measured:
    """Run a program whose last line of output is a JSON object, to its end.

    Raises SystemExit, with the end of what it wrote, where the program fails.
    """
    with tempfile.TemporaryFile("w+") as output:
        start, used = time.perf_counter(), _cpu_of_children()
        process = subprocess.Popen(
            list(command), stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}
        )
        peak = 0
        try:
            while process.poll() is None:
                peak = max(peak, tree_pss(process.pid))
                time.sleep(PAUSE)
        finally:
            process.kill()
            process.wait()
        seconds = time.perf_counter() - start
        output.seek(0)
        lines = output.read().splitlines()
    try:
        said = json.loads(lines[-1])
    except (IndexError, ValueError):
        said = None
    if process.returncode != 0 or not isinstance(said, dict):
        raise SystemExit(f"{' '.join(command)} failed with exit code {process.returncode}:\n" + "\n".join(lines[-30:]))
    return Measured(seconds, _cpu_of_children() - used, peak, said)


def _cpu_of_children() -> float:
    """Return the processor seconds of all children that have ended, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def tree_pss(pid: int) -> int:
    """Return the proportional set size of a process and all below it, in bytes; what ends meanwhile counts nothing."""
    total = 0
    with suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.Error):
                total += int(process.memory_full_info().pss)
    return total
