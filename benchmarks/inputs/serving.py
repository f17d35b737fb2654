"""Start a server of the inputs in a process of its own.

with served("photo_server", folder) as address: ...
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def served(module: str, *arguments: object) -> Iterator[str]:
    """Run `inputs.<module>`, which prints its port first, until the block ends; yields its address on 127.0.0.1."""
    command = [sys.executable, "-m", f"inputs.{module}", *map(str, arguments)]
    process = subprocess.Popen(command, cwd=Path(__file__).resolve().parents[1], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port:
            raise SystemExit(f"{module} did not start")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
