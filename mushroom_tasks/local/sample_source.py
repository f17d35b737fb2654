"""The sample bucket, drawn and served over HTTP by a background process: the demo's stand-in for iNaturalist.

It answers when the bucket is complete; the other services start meanwhile.

    python -m mushroom_tasks.local.sample_source FOLDER PORT PROGRESS_FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import httpx

from mushroom_tasks.local.ports import HOST
from mushroom_tasks.local.process import Process
from mushroom_tasks.sample.bucket import MARKER, write_bucket
from mushroom_tasks.sample.server import serve


class SampleSource:
    """The web server of the sample bucket in a home folder."""

    name = "sample"

    def __init__(self, home: Path, port: int) -> None:
        self.folder = home / "sample"
        self.address = f"http://{HOST}:{port}"
        self._port = port
        self._home = home
        self.processes = [Process(home, self.name)]

    def start(self) -> list[Process]:
        """Start the process where it does not run; return the processes that were started."""
        progress_folder = self._home / "progress"
        command = [sys.executable, "-m", __name__, str(self.folder), str(self._port), str(progress_folder)]
        (process,) = self.processes
        return [process] if process.start(command, {}, self._home) else []

    def healthy(self) -> bool:
        """Tell whether the bucket answers."""
        try:
            return httpx.head(f"{self.address}/taxa.csv.gz", timeout=5, trust_env=False).is_success
        except httpx.HTTPError:
            return False


def main(folder: str, port: str, progress_folder: str) -> None:
    """Draw what is missing of the bucket, then serve it until terminated."""
    bucket = Path(folder)
    write_bucket(bucket, **_parameters(bucket), progress_folder=Path(progress_folder))
    serve(bucket, HOST, int(port))


def _parameters(bucket: Path) -> dict[str, Any]:
    """Return the numbers that a bucket was begun with; a new one gets the default ones."""
    try:
        return dict(json.loads((bucket / MARKER).read_text(encoding="utf-8"))["parameters"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # where there is something else, write_bucket says so


if __name__ == "__main__":
    main(*sys.argv[1:])
