"""Stages of the DAG `dataset_build` around its end: is there anything to build, publish, delete what was withdrawn."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mushroom_tasks import manifests
from mushroom_tasks.curation import publish as publishing
from mushroom_tasks.curation import refresh
from mushroom_tasks.db.engine import open_engine
from mushroom_tasks.errors import TableError
from mushroom_tasks.inat.refresh.changes import Changes, Totals
from mushroom_tasks.inat.refresh.history import latest_load, withdrawn
from mushroom_tasks.photos import withdrawal
from mushroom_tasks.photos.failures import PASSING
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.artifacts import tracked_path
from mushroom_tasks.stages.downloading import failures_by_reason
from mushroom_tasks.stages.results import BuildPlan, DatasetResult, SelectionResult, WithdrawalResult
from mushroom_tasks.storage import Store
from mushroom_tasks.tracking import Run, open_tracker

logger = logging.getLogger(__name__)

EXPERIMENT = "dataset_build"
INATURALIST = "iNaturalist open data"


def plan_dataset(settings: Settings, selected: SelectionResult, dry_run: bool = False) -> BuildPlan:
    """Tell whether a data set is to be built: not in a dry run, nor where the newest is of this selection already.

    A data set that lacks photos which failed in passing (the source was slow, or down) is built again.
    """
    if dry_run:
        logger.info("dry run: selection %s is in the log of `select` and in MLflow", selected.fingerprint)
        return BuildPlan(selection=selected.fingerprint, dataset=None, is_new=False)
    for published in _refreshes(Store(settings.store), settings)[:1]:
        is_whole = not any(published.failures.get(reason) for reason in PASSING)
        if published.inputs.get("selection") == selected.fingerprint and is_whole:
            logger.info("nothing relevant changed: data set %s is of the same selection", published.fingerprint)
            return BuildPlan(selection=selected.fingerprint, dataset=published.fingerprint, is_new=False)
    return BuildPlan(selection=selected.fingerprint, dataset=None, is_new=True)


def publish(settings: Settings, dataset: str, origin: str = INATURALIST) -> DatasetResult:
    """Publish a pruned manifest as a data set with its attribution and card, and log it to MLflow.

    What differs from the last data set of the same origin and settings is written beside it, and logged.
    """
    store = Store(settings.store)
    downloads = store.read_json(f"pruned/{dataset}.json")["downloads"]
    selection = store.read_json(f"downloads/{downloads}.json")["selection"]
    failures = failures_by_reason(manifests.read_manifest(store, f"downloads/{downloads}.parquet", manifests.DOWNLOADS))
    chosen = choices(settings)
    published = publishing.publish(
        manifests.read_manifest(store, f"pruned/{dataset}.parquet", manifests.PRUNED),
        store,
        dataset,
        inputs={"origin": origin, "selection": selection, "downloads": downloads},
        settings=chosen,
        failures=failures,
        species=store.read_json(f"selections/{selection}.species.json"),
    )
    changes = _changes(settings, store, published)
    marker = tracked_path(settings, "datasets", dataset)
    if not store.exists(marker):
        _log_dataset(settings, store, published, chosen, changes)
        store.write_json(marker, published.counts)
    return DatasetResult(
        fingerprint=published.fingerprint,
        folder=published.folder,
        species=published.counts.species,
        photos=published.counts.photos,
        pruned=published.counts.pruned,
        splits={split: getattr(published.counts, split) for split in manifests.SPLITS},
        changes=changes.totals.model_dump() if changes else {},
    )


def withdraw(settings: Settings, dry_run: bool = False) -> WithdrawalResult:
    """Delete the photos that iNaturalist no longer publishes from the store; in a dry run only count them.

    Runs after the data set without them is published, so that there is one to train on at any time. Raises TableError
    where the last load missed more photos than `ingest.max_withdrawn_ratio` allows: the snapshot may be damaged.
    """
    engine = open_engine(settings)
    latest = latest_load(engine)
    if latest is not None and latest.changes is not None:
        _require_plausible(Changes.model_validate(latest.changes).totals, settings.ingest.max_withdrawn_ratio)
    gone = withdrawn(engine)["photo_id"].to_pylist()
    deleted = 0 if dry_run else withdrawal.delete(Store(settings.store), gone)
    return WithdrawalResult(withdrawn=len(gone), deleted=deleted)


def _require_plausible(totals: Totals, max_withdrawn_ratio: float) -> None:
    if totals.removed > totals.photos_before * max_withdrawn_ratio:
        raise TableError(
            f"the last load missed {totals.removed} of the {totals.photos_before} photos before it, more than "
            f"ingest.max_withdrawn_ratio = {max_withdrawn_ratio:g} allows; none is deleted. If the snapshot is "
            "damaged, take it back with `mushroom rollback`; if it is right, raise that setting for one run."
        )


def is_made_with(dataset: publishing.PublishedDataset, settings: Settings) -> bool:
    """Tell whether a data set was made with the settings in force."""
    return dataset.settings == choices(settings)


def choices(settings: Settings) -> dict[str, Any]:
    """Return the settings that shape a data set, as its card shows them."""
    return {
        "root_taxa": list(settings.root_taxa),
        "selection": settings.selection.model_dump(mode="json"),
        "download": settings.download.model_dump(mode="json", include={"size", "small_side"}),
        "embedding": settings.embedding.model_dump(mode="json", include={"backbone", "weights"}),
        "pruning": settings.pruning.model_dump(mode="json"),
    }


def _refreshes(store: Store, settings: Settings) -> list[publishing.PublishedDataset]:
    """Return the data sets that were made of iNaturalist's open data with the settings in force, newest first."""
    found = publishing.list_datasets(store)
    return [each for each in found if each.inputs.get("origin") == INATURALIST and is_made_with(each, settings)]


def _changes(settings: Settings, store: Store, published: publishing.PublishedDataset) -> refresh.DatasetChanges | None:
    """Compare a data set with the one before it, once; None where there is none."""
    if store.exists(published.file(refresh.FILE)):
        return refresh.DatasetChanges.model_validate(store.read_json(published.file(refresh.FILE)))
    refreshes = [each.fingerprint for each in _refreshes(store, settings)]
    if published.fingerprint not in refreshes[:1] or len(refreshes) == 1:
        return None
    before, now = (
        manifests.read_manifest(
            store, f"{publishing.FOLDER}/{name}/{publishing.MANIFEST}", manifests.PRUNED, refresh.COLUMNS
        )
        for name in (refreshes[1], published.fingerprint)
    )
    gone = withdrawn(open_engine(settings))["photo_id"].to_pylist()
    changes = refresh.compare(before, now, gone, previous=refreshes[1], current=published.fingerprint)
    logger.info("%s", refresh.report(changes).splitlines()[2])
    if changes.totals.resplit:
        logger.warning("%d photos are in another split: their observers changed", changes.totals.resplit)
    refresh.write_changes(store, published, changes)
    return changes


def _log_dataset(
    settings: Settings,
    store: Store,
    published: publishing.PublishedDataset,
    chosen: Mapping[str, object],
    changes: refresh.DatasetChanges | None,
) -> None:
    run = open_tracker(settings).run(
        EXPERIMENT,
        key=published.fingerprint,
        name=f"data set {published.fingerprint}",
        tags={"dataset": published.fingerprint, "origin": str(published.inputs["origin"])},
    )
    run.log_params(chosen)
    _log_counts(run, published, changes)
    run.log_dataset(
        name="mushrooms",
        digest=published.fingerprint,
        address=published.folder,
        profile=published.counts.model_dump(),
        context="published",
    )
    for name in store.list(f"datasets/{published.fingerprint}"):
        run.log_artifact(Path(store.local(f"datasets/{published.fingerprint}/{name}", settings.cache)))
    run.finish()


def _log_counts(run: Run, published: publishing.PublishedDataset, changes: refresh.DatasetChanges | None) -> None:
    groups = {
        "photos": published.counts.model_dump(),
        "pruned": published.pruned_by_reason,
        "failed": published.failures,
        "changes": changes.totals.model_dump() if changes else {},
    }
    for group, counts in groups.items():
        run.log_metrics({f"{group}/{name}": count for name, count in counts.items()})
