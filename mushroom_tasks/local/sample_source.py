"""The sample bucket, served over HTTP as a background process: what the demo has in the place of iNaturalist.

python -m mushroom_tasks.local.sample_source FOLDER PORT
"""

from __future__ import annotations

import sys
from pathlib import Path

import httpx

from mushroom_tasks.local.ports import HOST
from mushroom_tasks.local.process import Process
from mushroom_tasks.sample.bucket import write_bucket
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
    write_bucket(Path(folder), progress_folder=Path(progress_folder))
    serve(Path(folder), HOST, int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
