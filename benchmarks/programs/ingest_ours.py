"""Loads a snapshot with our own code into a migrated database: a process of its own, so that its memory is known."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from sqlalchemy import create_engine

from mushroom_tasks.inat.loading.ingest import load
from mushroom_tasks.inat.snapshots.snapshot import FetchedSnapshot
from mushroom_tasks.settings import IngestSettings
from mushroom_tasks.storage import Store


def main() -> None:
    """Load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", help="address of a migrated database")
    parser.add_argument("bucket", type=Path, help="folder of the four files")
    parser.add_argument("roots", type=int, nargs="+")
    given = parser.parse_args()
    engine = create_engine(given.database)
    snapshot = FetchedSnapshot("benchmark", given.bucket.name, {}, 0)
    start = time.perf_counter()
    report = load(
        engine,
        Store(given.bucket.parent),
        snapshot,
        source="benchmark",
        root_taxa=given.roots,
        settings=IngestSettings(),
        progress_folder=None,
    )
    seconds = time.perf_counter() - start
    rows = sum(table.read for table in report.tables.values())
    print(json.dumps({"seconds": seconds, "rows": rows}))


if __name__ == "__main__":
    main()
