"""Loads of small buckets, for the tests of what a load does, refuses and survives."""

from __future__ import annotations

from pathlib import Path

from small_bucket import ROOTS, SmallBucket
from sqlalchemy import Engine, text

from mushroom_tasks.inat.loading.ingest import LoadReport, load
from mushroom_tasks.inat.snapshots.snapshot import FetchedSnapshot, fetch
from mushroom_tasks.settings import IngestSettings, SourceSettings
from mushroom_tasks.storage import Store


def fetched(bucket: SmallBucket, store: Store, folder: Path) -> FetchedSnapshot:
    """Write a bucket into `folder` and fetch it into the store."""
    return fetch(str(bucket.write(folder)), store, SourceSettings(), None)


def load_small(engine: Engine, store: Store, snapshot: FetchedSnapshot, **settings: float) -> LoadReport:
    """Load a snapshot with the roots of the small buckets; `settings` are those of ingest."""
    return load(
        engine, store, snapshot, source="here", root_taxa=ROOTS, settings=IngestSettings(**settings),
        progress_folder=None,
    )  # fmt: skip


def scalar(engine: Engine, statement: str) -> object:
    """Return the only value of a query's only row."""
    with engine.connect() as connection:
        return connection.execute(text(statement)).scalar()
