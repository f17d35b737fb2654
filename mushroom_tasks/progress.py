"""Progress of long work: lines in the log, and a small file that a live display can read.

with Progress("download", total=1300, unit="photos", folder=home / "progress") as progress:
    progress.advance(1, failed=0)
"""

from __future__ import annotations

import json
import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

logger = logging.getLogger(__name__)

LOG_EVERY = 10.0  # seconds between log lines
WRITE_EVERY = 0.5  # seconds between writes of the file


def size(count: float) -> str:
    """Return a number of bytes as people write it: 950 bytes, 1.4 MB, 33.1 GB (powers of ten, as disks are sold)."""
    for power, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(count) >= power:
            return f"{count / power:.1f} {unit}"
    return f"{count:.0f} bytes"


def duration(seconds: float) -> str:
    """Return a time as people say it: 12 s, 4 min 5 s, 3 h 20 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Progress:
    """Counts work done, and says so at a steady pace.

    Parameters
    ----------
    stage
        Name of the stage; also the name of the file, `<stage>.json`.
    total
        How much there is to do, in `unit`; 0 where it is not known.
    folder
        Where the file is written; None writes none. The file is a hint, never read by a stage.
    """

    def __init__(self, stage: str, total: int, unit: str, folder: Path | None = None) -> None:
        self.stage, self.total, self.unit, self._folder = stage, total, unit, folder
        self.done = self._resumed = 0
        self.details: dict[str, Any] = {}
        self._start = time.monotonic()
        self._logged = self._start
        self._written = 0.0

    def __enter__(self) -> Progress:
        self._write(force=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logger.info("%s", self.line() if kind is None else f"{self.line()} (stopped: {kind.__name__})")
        self._write(force=True)

    def advance(self, count: int = 1, **details: Any) -> None:
        """Add `count` to what is done; `details` are shown beside it, e.g. `failed=3`."""
        self.done += count
        self.details.update(details)
        now = time.monotonic()
        if now - self._logged >= LOG_EVERY:
            self._logged = now
            logger.info("%s", self.line())
        self._write()

    def resume(self, count: int, **details: Any) -> None:
        """Add `count` that an earlier try had done: it counts as done, but not in the rate nor in the time left.

        A negative `count` takes back what turned out to be of no use.
        """
        self._resumed += count
        self.advance(count, **details)

    def line(self) -> str:
        """Return one line: stage, counts, rate, time left; bytes and times in the units that people read."""
        seconds = max(time.monotonic() - self._start, 1e-9)
        rate = (self.done - self._resumed) / seconds
        left = f", {duration((self.total - self.done) / rate)} left" if self.total > self.done and rate > 0 else ""
        details = "".join(f", {name} {value}" for name, value in self.details.items())
        return f"{self.stage}: {self._counts()} in {duration(seconds)}, {self._rate(rate)}{left}{details}"

    def _counts(self) -> str:
        share = f" ({self.done / self.total:.0%})" if self.total else ""
        if self.unit == "bytes":
            return f"{size(self.done)}{f' of {size(self.total)}' if self.total else ''}{share}"
        return f"{self.done}{f'/{self.total}' if self.total else ''}{share} {self.unit}"

    def _rate(self, rate: float) -> str:
        return f"{size(rate)}/s" if self.unit == "bytes" else f"{rate:.1f}/s"

    def _write(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if self._folder is None or (not force and now - self._written < WRITE_EVERY):
            return
        self._written = now
        # A display that cannot be updated must not stop the work it shows.
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            target = self._folder / f"{self.stage}.json"
            temporary = target.with_suffix(f".{os.getpid()}.part")
            temporary.write_text(
                json.dumps(
                    {"stage": self.stage, "done": self.done, "total": self.total, "unit": self.unit, **self.details}
                )
            )
            temporary.replace(target)
