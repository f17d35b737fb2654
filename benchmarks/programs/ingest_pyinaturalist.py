"""Loads a snapshot with pyinaturalist-convert into SQLite; runs in the environment of that peer, without ours.

Its `load_odp_tables` takes unpacked files out of an archive that it fetches from AWS; what it does after fetching is
done here in the same order, with its own functions. It takes every taxon: it has no filter.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import shutil
import time
from pathlib import Path

from pyinaturalist_convert.download import CSVProgress
from pyinaturalist_convert.odp import load_odp_observations, load_odp_photos, load_odp_taxa, load_odp_users
from pyinaturalist_convert.sqlite import vacuum_analyze

LOADS = {
    "observations": load_odp_observations,
    "photos": load_odp_photos,
    "taxa": load_odp_taxa,
    "observers": load_odp_users,
}


def unpack(bucket: Path, folder: Path) -> dict[str, Path]:
    """Unpack the files, as it unpacks its archive: with Python's own gzip."""
    paths = {name: folder / f"{name}.csv" for name in LOADS}
    for name, path in paths.items():
        with gzip.open(bucket / f"{name}.csv.gz") as packed, path.open("wb") as file:
            shutil.copyfileobj(packed, file, 1 << 20)
    return paths


def load(paths: dict[str, Path], database: Path) -> None:
    """Do what `load_odp_tables` does once the files are there."""
    progress = CSVProgress(*paths.values())
    with progress:
        for name, path in paths.items():
            LOADS[name](path, database, progress)
    vacuum_analyze(["observation", "photo", "taxon", "user"], database, fast=True)


def main() -> None:
    """Unpack and load; its progress bars go nowhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bucket", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    given.folder.mkdir(parents=True)
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        start = time.perf_counter()
        paths = unpack(given.bucket, given.folder)
        unpacked = time.perf_counter()
        load(paths, given.folder / "observations.db")
        end = time.perf_counter()
    print(json.dumps({"seconds": end - start, "unpacking": unpacked - start}))


if __name__ == "__main__":
    main()
