"""Stages of the DAG `inat_ingest`: notice and fetch a snapshot, load it into PostgreSQL, go one load back."""

from __future__ import annotations

import logging

from sqlalchemy import Engine

from mushroom_tasks.db.engine import migrate, open_engine
from mushroom_tasks.db.models import Snapshot
from mushroom_tasks.inat.loading import ingest as loading
from mushroom_tasks.inat.refresh import history
from mushroom_tasks.inat.snapshots import snapshot as snapshots
from mushroom_tasks.inat.snapshots.sources import Validators
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages import load_reports
from mushroom_tasks.stages.results import IngestResult, RollbackResult, SnapshotResult
from mushroom_tasks.storage import Store

logger = logging.getLogger(__name__)


def snapshot(settings: Settings, again: bool = False) -> SnapshotResult:
    """Look for a snapshot that is not loaded yet, and fetch it into the store.

    Nothing is fetched where the source's files look as they did at the last load; `is_new` is then False. The
    same holds where they look different (another mirror) but turn out to have the same content. A load whose stage
    was killed before its end counts as new, so that what follows it is not left out. A snapshot that was rolled back
    stays out until another one is published, or `again` asks for it.
    """
    engine = open_engine(settings)
    migrate(engine)
    store = Store(settings.store)
    seen = snapshots.look(settings.source, settings.source_access)
    done = _done_with(settings, store, engine, again=again)
    if snapshots.is_telling(seen):
        for load in done.values():
            if load.validators == seen:
                return _nothing_new(engine, load, seen, fetched=0)
    fetched = snapshots.fetch(
        settings.source,
        store,
        settings.source_access,
        settings.home / "progress",
        partial=settings.cache / "incoming",
    )
    if fetched.fingerprint in done:
        history.remember_validators(engine, fetched.fingerprint, fetched.validators)
        return _nothing_new(engine, done[fetched.fingerprint], fetched.validators, fetched=fetched.bytes)
    return SnapshotResult(
        fingerprint=fetched.fingerprint,
        folder=fetched.folder,
        is_new=True,
        bytes=fetched.bytes,
        validators=fetched.validators,
    )


def ingest(settings: Settings, fetched: SnapshotResult) -> IngestResult:
    """Load a fetched snapshot into PostgreSQL and report what it changed; a load that is there is only reported.

    Old snapshots are deleted from the store afterwards (`source_access.keep_snapshots`), never the one that is loaded
    nor the one that a rollback would bring back.
    """
    engine = open_engine(settings)
    store = Store(settings.store)
    latest = history.latest_load(engine)
    if latest is None or latest.fingerprint != fetched.fingerprint or not _is_of_scope(latest, settings):
        loading.load(
            engine,
            store,
            snapshots.FetchedSnapshot(fetched.fingerprint, fetched.folder, fetched.validators, fetched.bytes),
            source=settings.source,
            root_taxa=settings.root_taxa,
            settings=settings.ingest,
            progress_folder=settings.home / "progress",
        )
        latest = history.latest_load(engine)
        assert latest is not None
    changes = load_reports.write(store, engine, latest)
    load_reports.track(settings, store, latest)
    snapshots.clean(
        store,
        settings.source_access.keep_snapshots,
        [load.fingerprint for load in (latest, history.kept_for_rollback(engine)) if load is not None],
        partial=settings.cache / "incoming",
    )
    result = IngestResult(
        fingerprint=latest.fingerprint,
        **{table: counts["kept"] for table, counts in latest.counts.items()},
        malformed=sum(counts["malformed"] for counts in latest.counts.values()),
        since=None if changes is None else changes.since,
        changes={} if changes is None else changes.totals.model_dump(),
        report=load_reports.address(store, latest),
    )
    load_reports.finish(store, latest, result)
    return result


def rollback(settings: Settings) -> RollbackResult:
    """Bring back what PostgreSQL held before the last load; the snapshot of that load stays out (see `snapshot`).

    Raises RollbackError where no earlier load is kept, so a second try does not go two loads back.
    """
    engine = open_engine(settings)
    migrate(engine)
    restored = history.rollback(engine)
    undone = history.undone_load(engine)
    assert undone is not None
    return RollbackResult(
        fingerprint=restored.fingerprint,
        undone=undone.fingerprint,
        **{table: counts["kept"] for table, counts in restored.counts.items()},
    )


def _done_with(settings: Settings, store: Store, engine: Engine, *, again: bool) -> dict[str, Snapshot]:
    """Return the loads, by fingerprint, whose snapshots have not to be loaded: what is there, what was rolled back."""
    latest, undone = history.latest_load(engine), history.undone_load(engine)
    found = {}
    if undone is not None and _is_of_scope(undone, settings) and not again:
        found[undone.fingerprint] = undone
    if latest is not None and _is_of_scope(latest, settings) and load_reports.is_finished(store, latest):
        found[latest.fingerprint] = latest
    return found


def _is_of_scope(load: Snapshot, settings: Settings) -> bool:
    return set(load.root_taxa) == set(settings.root_taxa)


def _nothing_new(engine: Engine, load: Snapshot, seen: dict[str, Validators], *, fetched: int) -> SnapshotResult:
    latest = history.latest_load(engine)
    is_rolled_back = latest is None or latest.fingerprint != load.fingerprint
    if is_rolled_back:
        logger.warning(
            "snapshot %s was rolled back and stays out until another one is published. To load it all the same: "
            "`mushroom stage ingest --again`, or the field `again` of the DAG's form",
            load.fingerprint,
        )
    else:
        logger.info("nothing new: snapshot %s is loaded already", load.fingerprint)
    return SnapshotResult(
        fingerprint=load.fingerprint,
        folder=snapshots.folder_of(load.fingerprint),
        is_new=False,
        is_rolled_back=is_rolled_back,
        bytes=fetched,
        validators=seen,
    )
