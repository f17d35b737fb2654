"""Stages of the DAG `inat_ingest`: notice and fetch a snapshot, load it into PostgreSQL."""

from __future__ import annotations

import logging

from mushroom_tasks.db.engine import migrate, open_engine
from mushroom_tasks.inat import ingest as loading
from mushroom_tasks.inat import snapshot as snapshots
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.results import IngestResult, SnapshotResult
from mushroom_tasks.storage import Store, fingerprint
from mushroom_tasks.tracking import open_tracker

logger = logging.getLogger(__name__)

EXPERIMENT = "inat_ingest"


def snapshot(settings: Settings) -> SnapshotResult:
    """Look for a snapshot that is not loaded yet, and fetch it into the store.

    Nothing is fetched where the source's files look as they did at the last load; `is_new` is then False. The
    same holds where they look different (another mirror) but turn out to have the same content. A load whose stage
    was killed before its end counts as new, so that what follows it is not left out.
    """
    engine = open_engine(settings)
    migrate(engine)
    store = Store(settings.store)
    seen = snapshots.look(settings.source, settings.source_access)
    latest = loading.latest_load(engine)
    is_same_scope = latest is not None and tuple(latest.root_taxa) == settings.root_taxa
    loaded = latest.fingerprint if latest is not None and is_same_scope else None
    is_finished = loaded is not None and store.exists(_finished(settings, loaded))
    if latest is not None and is_finished and snapshots.is_telling(seen) and latest.validators == seen:
        logger.info("nothing new: snapshot %s is loaded already", latest.fingerprint)
        return SnapshotResult(
            fingerprint=latest.fingerprint,
            folder=snapshots.folder_of(latest.fingerprint),
            is_new=False,
            bytes=0,
            validators=seen,
        )
    fetched = snapshots.fetch(settings.source, store, settings.source_access, settings.home / "progress")
    is_new = fetched.fingerprint != loaded or not is_finished
    if not is_new:
        loading.remember_validators(engine, fetched.fingerprint, fetched.validators)
    return SnapshotResult(
        fingerprint=fetched.fingerprint,
        folder=fetched.folder,
        is_new=is_new,
        bytes=fetched.bytes,
        validators=fetched.validators,
    )


def ingest(settings: Settings, fetched: SnapshotResult) -> IngestResult:
    """Load a fetched snapshot into PostgreSQL, and log the load to MLflow; a load that is there is only logged."""
    engine = open_engine(settings)
    store = Store(settings.store)
    latest = loading.latest_load(engine)
    is_loaded = latest is not None and latest.fingerprint == fetched.fingerprint
    if latest is None or not is_loaded or tuple(latest.root_taxa) != settings.root_taxa:
        loading.load(
            engine,
            store,
            snapshots.FetchedSnapshot(fetched.fingerprint, fetched.folder, fetched.validators, fetched.bytes),
            source=settings.source,
            root_taxa=settings.root_taxa,
            settings=settings.ingest,
            progress_folder=settings.home / "progress",
        )
        latest = loading.latest_load(engine)
        assert latest is not None
    kept = {table: counts["kept"] for table, counts in latest.counts.items()}
    malformed = {table: counts["malformed"] for table, counts in latest.counts.items()}
    key = _load_key(settings, fetched.fingerprint)
    run = open_tracker(settings).run(EXPERIMENT, key=key, name=f"snapshot {fetched.fingerprint}")
    run.log_params({"source": settings.source, "root_taxa": settings.root_taxa, "ingest": settings.ingest.model_dump()})
    run.log_metrics({f"rows_kept/{table}": count for table, count in kept.items()})
    run.log_metrics({f"rows_malformed/{table}": count for table, count in malformed.items()})
    run.finish()
    result = IngestResult(fingerprint=fetched.fingerprint, **kept, malformed=sum(malformed.values()))
    store.write_json(_finished(settings, fetched.fingerprint), result)
    return result


def _load_key(settings: Settings, snapshot: str) -> str:
    return fingerprint("load", snapshot=snapshot, root_taxa=settings.root_taxa)


def _finished(settings: Settings, snapshot: str) -> str:
    """Return where the store notes that the stage has come to its end for this load."""
    return f"loads/{_load_key(settings, snapshot)}.json"
