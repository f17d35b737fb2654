"""Stages of the DAG `inat_ingest`: notice and fetch a snapshot, load it into PostgreSQL."""

from __future__ import annotations

import logging

from mushroom_tasks.db.engine import migrate, open_engine
from mushroom_tasks.inat import ingest as loading
from mushroom_tasks.inat import snapshot as snapshots
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.results import IngestResult, SnapshotResult
from mushroom_tasks.storage import Store
from mushroom_tasks.tracking import open_tracker

logger = logging.getLogger(__name__)

EXPERIMENT = "inat_ingest"


def snapshot(settings: Settings) -> SnapshotResult:
    """Look for a snapshot that is not loaded yet, and fetch it into the store.

    Nothing is fetched where the source's files look as they did at the last load; `is_new` is then False. The
    same holds where they look different (another mirror) but turn out to have the same content.
    """
    engine = open_engine(settings)
    migrate(engine)
    seen = snapshots.look(settings.source, settings.source_access)
    latest = loading.latest_load(engine)
    is_same_scope = latest is not None and tuple(latest.root_taxa) == settings.root_taxa
    if latest is not None and is_same_scope and latest.validators == seen:
        logger.info("nothing new: snapshot %s is loaded already", latest.fingerprint)
        return SnapshotResult(
            fingerprint=latest.fingerprint,
            folder=snapshots.folder_of(latest.fingerprint),
            is_new=False,
            bytes=0,
            validators=seen,
        )
    fetched = snapshots.fetch(
        settings.source, Store(settings.store), settings.source_access, settings.home / "progress"
    )
    is_new = latest is None or not is_same_scope or latest.fingerprint != fetched.fingerprint
    if latest is not None and not is_new:
        loading.remember_validators(engine, latest.fingerprint, fetched.validators)
    return SnapshotResult(
        fingerprint=fetched.fingerprint,
        folder=fetched.folder,
        is_new=is_new,
        bytes=fetched.bytes,
        validators=fetched.validators,
    )


def ingest(settings: Settings, fetched: SnapshotResult) -> IngestResult:
    """Load a fetched snapshot into PostgreSQL, and log the load to MLflow."""
    engine = open_engine(settings)
    report = loading.load(
        engine,
        Store(settings.store),
        snapshots.FetchedSnapshot(fetched.fingerprint, fetched.folder, fetched.validators, fetched.bytes),
        source=settings.source,
        root_taxa=settings.root_taxa,
        settings=settings.ingest,
        progress_folder=settings.home / "progress",
    )
    kept = {table: counts.kept for table, counts in report.tables.items()}
    run = open_tracker(settings).run(EXPERIMENT, key=fetched.fingerprint, name=f"snapshot {fetched.fingerprint}")
    run.log_params({"source": settings.source, "root_taxa": settings.root_taxa, "ingest": settings.ingest.model_dump()})
    run.log_metrics({f"rows_kept/{table}": count for table, count in kept.items()})
    run.log_metrics({f"rows_malformed/{table}": counts.malformed for table, counts in report.tables.items()})
    run.finish()
    return IngestResult(
        fingerprint=fetched.fingerprint, **kept, malformed=sum(counts.malformed for counts in report.tables.values())
    )
