"""First stage of the DAG `dataset_build`: N photos of M species, chosen by SQL."""

from __future__ import annotations

import pyarrow.compute as pc
from sqlalchemy import Engine

from mushroom_tasks import manifests
from mushroom_tasks.db.engine import open_engine
from mushroom_tasks.db.models import Snapshot
from mushroom_tasks.errors import DatabaseError, SelectionError
from mushroom_tasks.inat.ingest import latest_load
from mushroom_tasks.inat.lineage import lineages
from mushroom_tasks.inat.selection import select as select_photos
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.results import SelectionResult
from mushroom_tasks.stages.shards import numbers
from mushroom_tasks.storage import Store, fingerprint

# A mapped task costs seconds to start: smaller shards do not pay.
_MIN_PHOTOS_PER_SHARD = 250


def select(settings: Settings) -> SelectionResult:
    """Select N photos of M species from PostgreSQL and write the selection manifest."""
    engine = open_engine(settings)
    latest = latest_load(engine)
    if latest is None:
        raise SelectionError("no snapshot is loaded. Run the DAG inat_ingest (or `mushroom stage ingest`) first.")
    key = fingerprint(
        "selection", version=1, snapshot=latest.fingerprint, root_taxa=latest.root_taxa, settings=settings.selection
    )
    store = Store(settings.store)
    path = f"selections/{key}.parquet"
    if manifests.manifest_fingerprint(store, path) != key:
        table = select_photos(engine, tuple(latest.root_taxa), settings.selection)
        species = lineages(engine, set(table["taxon_id"].to_pylist()))
        _require_unchanged(engine, latest)
        store.write_json(f"selections/{key}.species.json", species)
        manifests.write_manifest(store, path, table, manifests.SELECTION, key)
    rows = manifests.read_manifest(store, path, manifests.SELECTION, ["photo_id", "taxon_id"])
    return SelectionResult(
        fingerprint=key,
        address=store.address(path),
        species=pc.count_distinct(rows["taxon_id"]).as_py(),
        photos=rows.num_rows,
        shards=numbers(rows.num_rows, _MIN_PHOTOS_PER_SHARD, settings.download.shards),
    )


def _require_unchanged(engine: Engine, latest: Snapshot) -> None:
    """Raise where another snapshot was loaded while a selection was made of this one: its rows may be mixed."""
    now = latest_load(engine)
    if now is None or now.id != latest.id:
        raise DatabaseError(
            f"another snapshot was loaded while photos of {latest.fingerprint} were selected. Run this again."
        )
