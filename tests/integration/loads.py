"""Loads of small buckets, for the tests of what a load does, refuses and survives, and of its history."""

from __future__ import annotations

from pathlib import Path

from small_bucket import ROOTS, SPECIES, SmallBucket, ordinary
from sqlalchemy import Engine, text

from mushroom_tasks.inat.loading.ingest import LoadReport, load
from mushroom_tasks.inat.refresh.history import withdrawn
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


class Loads:
    """Loads buckets into one database, each from a folder of its own."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder, self.number = engine, folder, 0
        self.store = Store(folder / "store")

    def fetched(self, bucket: SmallBucket) -> FetchedSnapshot:
        self.number += 1
        return fetched(bucket, self.store, self.folder / f"bucket{self.number}")

    def __call__(self, bucket: SmallBucket, roots: tuple[int, ...] = ROOTS) -> str:
        """Load a bucket and return the snapshot's fingerprint."""
        snapshot = self.fetched(bucket)
        load(
            self.engine, self.store, snapshot, source="here", root_taxa=roots,
            settings=IngestSettings(min_kept_ratio=0), progress_folder=None,
        )  # fmt: skip
        return snapshot.fingerprint


def later() -> SmallBucket:
    """The ordinary bucket a month later: photos 500 and 501 are new, 1 and 2 are gone."""
    bucket = ordinary()
    bucket.observe(500, SPECIES[0], 9, [500, 501])
    bucket.photos = [row for row in bucket.photos if row[1] not in (1, 2)]
    return bucket


def photo_ids(engine: Engine) -> set[int]:
    """Return the ids of all loaded photos."""
    with engine.connect() as connection:
        return set(connection.execute(text("SELECT photo_id FROM photos")).scalars())


def withdrawn_ids(engine: Engine) -> list[int]:
    """Return the ids of all photos that a load missed."""
    return withdrawn(engine)["photo_id"].to_pylist()
