"""The peers: programs that we are measured against, each in a virtual environment of its own.

Their packages do not agree with ours, nor with each other. An environment is made on first use below
`benchmarks/.peers/` (not in git), with uv where there is one and with pip otherwise, from package registries alone;
it is made anew where the pinned versions change.

    subprocess.run([IMG2DATASET.python, "peer_script.py"])
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name(".peers")
_MARKER = "installed"


@dataclass(frozen=True)
class Peer:
    """A program and the packages that it needs, pinned."""

    name: str
    requirements: tuple[str, ...]

    @property
    def python(self) -> str:
        """Return the Python of its environment, which is made first where it is missing or of other versions.

        Raises SystemExit where a package cannot be installed.
        """
        home = FOLDER / self.name
        python = home / "bin" / "python"
        with _alone(FOLDER / f"{self.name}.lock"):
            if not self.is_installed(home):
                shutil.rmtree(home, ignore_errors=True)
                _install(home, self.requirements)
                (home / _MARKER).write_text(self.fingerprint, encoding="utf-8")
        return str(python)

    @property
    def fingerprint(self) -> str:
        """Tell one set of requirements, under one Python, from another."""
        return hashlib.sha256("\n".join((sys.version, *self.requirements)).encode()).hexdigest()

    @property
    def version(self) -> str:
        """Return the version of the program itself, the first of its requirements."""
        return self.requirements[0].partition("==")[2]

    def is_installed(self, home: Path) -> bool:
        """Tell whether the environment in `home` was finished, with these very requirements."""
        marker = home / _MARKER
        return marker.is_file() and marker.read_text(encoding="utf-8") == self.fingerprint


# What they resolved to themselves in November 2026, their heavy parts pinned as well: those decide their speed.
IMG2DATASET = Peer(
    "img2dataset",
    (
        "img2dataset==1.47.0",
        "albumentations==1.4.24",
        "numpy==2.4.6",
        "opencv-python-headless==4.14.0.94",
        "pandas==2.3.3",
        "pyarrow==26.0.1",
    ),
)
PYINATURALIST_CONVERT = Peer(
    "pyinaturalist-convert",
    ("pyinaturalist-convert[db,odp]==0.9.1", "pyinaturalist==0.21.1", "sqlalchemy==2.1.9", "alembic==1.20.1"),
)
# BSD-3-Clause.
KNEED = Peer("kneed", ("kneed==0.9.0", "numpy==2.4.6", "scipy==1.17.1"))
# Apache-2.0, both; cleanlab was AGPL-3.0 before 2.8.
CLEANLAB = Peer(
    "cleanlab",
    ("cleanlab[datalab]==2.9.0", "datasets==5.2.0", "numpy==2.4.6", "pandas==3.1.1", "scikit-learn==1.9.1"),
)
CLEANVISION = Peer(
    "cleanvision", ("cleanvision==0.3.7", "imagehash==4.3.2", "numpy==2.4.6", "pandas==3.1.1", "pillow==13.0.0")
)
# Apache-2.0; its last release, with wheels for Python 3.7 to 3.11.
TFLITE_SUPPORT = Peer("tflite-support", ("tflite-support==0.4.4", "numpy==1.26.4"))


def _install(home: Path, requirements: tuple[str, ...]) -> None:
    python = home / "bin" / "python"
    uv = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))
    if uv:
        _run([uv, "venv", "--quiet", "--python", sys.executable, str(home)])
        _run([uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *requirements])
    else:
        _run([sys.executable, "-m", "venv", str(home)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"a peer cannot be installed: {' '.join(command)}\n{done.stderr or done.stdout}")


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Let one process at a time make an environment."""
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
