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
        self.done = 0
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

    def line(self) -> str:
        """Return one line: stage, counts, rate, time left."""
        seconds = max(time.monotonic() - self._start, 1e-9)
        rate = self.done / seconds
        of_total = f"/{self.total} ({self.done / self.total:.0%})" if self.total else ""
        left = f", {(self.total - self.done) / rate:.0f} s left" if self.total > self.done > 0 else ""
        details = "".join(f", {name} {value}" for name, value in self.details.items())
        return f"{self.stage}: {self.done}{of_total} {self.unit} in {seconds:.0f} s, {rate:.1f}/s{left}{details}"

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
