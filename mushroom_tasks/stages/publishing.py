"""Stages of the DAG `dataset_build` around its end: is there anything to build, publish, delete what was withdrawn."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mushroom_tasks import manifests
from mushroom_tasks.curation import review
from mushroom_tasks.curation.counts import tally
from mushroom_tasks.curation.dataset import publish as publishing
from mushroom_tasks.curation.dataset import refresh
from mushroom_tasks.db.engine import migrate, open_engine
from mushroom_tasks.inat.refresh.history import withdrawn
from mushroom_tasks.photos import withdrawal
from mushroom_tasks.photos.failures import PASSING
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.artifacts import latest_marked, mark_latest, tracked_path
from mushroom_tasks.stages.choices import choices
from mushroom_tasks.stages.downloading import failures_by_reason
from mushroom_tasks.stages.experiments import BUILD
from mushroom_tasks.stages.pruning import pruned_key
from mushroom_tasks.stages.results import BuildPlan, DatasetResult, SelectionResult, WithdrawalResult
from mushroom_tasks.storage import Store, fingerprint
from mushroom_tasks.tracking import Run, open_tracker

logger = logging.getLogger(__name__)

INATURALIST = "iNaturalist open data"
_OBEYED = ["photo_id", "taxon_id", "is_outlier", "decision", "picture"]  # what `review.obey` reads and sets


def plan_dataset(
    settings: Settings, selected: SelectionResult, dry_run: bool = False, again: bool = False
) -> BuildPlan:
    """Tell whether a data set is to be built: not in a dry run, nor where the latest is of this selection already.

    A data set whose publishing was cut off is built again, as is one that lacks photos which failed in passing (the
    source was slow, or down), one that was judged by other rules or measures than this version's, and one that people
    have decided otherwise about since; `again` builds in any case.
    """
    if dry_run:
        logger.info("dry run: selection %s is in the log of `select` and in MLflow", selected.fingerprint)
        return BuildPlan(selection=selected.fingerprint, dataset=None, is_new=False)
    store = Store(settings.store)
    latest = _latest_refresh(store, settings)
    news = "somebody asks for it" if again else _news(settings, store, latest, selected.fingerprint)
    if latest is None or news:
        logger.info("a data set is to be built: %s", news)
        return BuildPlan(selection=selected.fingerprint, dataset=None, is_new=True)
    logger.info("nothing relevant changed: data set %s is of the same selection", latest.fingerprint)
    return BuildPlan(selection=selected.fingerprint, dataset=latest.fingerprint, is_new=False)


def _news(settings: Settings, store: Store, latest: publishing.PublishedDataset | None, selection: str) -> str | None:
    """Return why the latest data set is not the one that would be built today; None where it is."""
    if latest is None:
        return "there is none with these settings"
    if latest.inputs.get("selection") != selection:
        return f"the latest, {latest.fingerprint}, is of another selection"
    if not store.exists(tracked_path(settings, "datasets", latest.fingerprint)):
        return f"the publishing of {latest.fingerprint} was cut off"
    if any(latest.failures.get(reason) for reason in PASSING):
        return f"{latest.fingerprint} lacks photos that failed in passing"
    if latest.inputs["pruned"] != pruned_key(settings, latest.inputs["downloads"]):
        return f"{latest.fingerprint} was judged by other rules, measures or features than today's"
    if _key(latest.inputs["pruned"], _decided(settings, _rows(store, latest, _OBEYED))) != latest.fingerprint:
        return f"people have decided on photos of {latest.fingerprint} since it was made"
    return None


def publish(settings: Settings, pruned: str, origin: str = INATURALIST) -> DatasetResult:
    """Publish a pruned manifest as a data set with its attribution and card, and log it to MLflow.

    What people decided about its photos is obeyed, and makes another data set of the same manifest. What differs from
    the last data set of the same origin and settings is written beside it, and logged.
    """
    store = Store(settings.store)
    downloads = store.read_json(f"pruned/{pruned}.json")["downloads"]
    selection = store.read_json(f"downloads/{downloads}.json")["selection"]
    failures = failures_by_reason(store, downloads)
    chosen = choices(settings)
    obeyed = _decided(settings, manifests.read_manifest(store, f"pruned/{pruned}.parquet", manifests.PRUNED))
    published = publishing.publish(
        obeyed.rows,
        store,
        _key(pruned, obeyed),
        inputs={"origin": origin, "selection": selection, "downloads": downloads, "pruned": pruned},
        settings=chosen,
        failures=failures,
        decided_by=tally(obeyed.decisions["decided_by"]),
        species=store.read_json(f"selections/{selection}.species.json"),
    )
    changes = _changes(settings, store, published)
    marker = tracked_path(settings, "datasets", published.fingerprint)
    if not store.exists(marker):
        _log_dataset(settings, store, published, chosen, changes)
        store.write_json(marker, published.counts)
    mark_latest(store, published.fingerprint, chosen)
    return DatasetResult(
        fingerprint=published.fingerprint,
        folder=published.folder,
        species=published.counts.species,
        photos=published.counts.photos,
        pruned=published.counts.pruned,
        splits={split: getattr(published.counts, split) for split in manifests.SPLITS},
        decisions=published.decisions,
        changes=changes.totals.model_dump() if changes else {},
    )


def withdraw(settings: Settings, dry_run: bool = False) -> WithdrawalResult:
    """Delete the photos that iNaturalist no longer publishes from the store; in a dry run only count them.

    Those of the newest data set stay until there is one without them, so that there is one to train on at any time:
    somebody may have refused the next one.
    """
    store = Store(settings.store)
    gone = withdrawn(open_engine(settings))["photo_id"]
    latest = _latest_refresh(store, settings)
    held = _rows(store, latest, ["photo_id"])["photo_id"] if latest else gone.slice(0, 0)
    free = gone.filter(pc.invert(pc.is_in(gone, held.combine_chunks())))
    if len(free) < len(gone):
        logger.info("%d withdrawn photos stay until a data set without them is published", len(gone) - len(free))
    deleted = 0 if dry_run else withdrawal.delete(store, free.to_pylist())
    return WithdrawalResult(withdrawn=len(gone), deleted=deleted)


def is_made_with(dataset: publishing.PublishedDataset, settings: Settings) -> bool:
    """Tell whether a data set was made with the settings in force."""
    return dataset.settings == choices(settings)


def _rows(store: Store, published: publishing.PublishedDataset, columns: list[str]) -> pa.Table:
    return manifests.read_manifest(store, published.file(publishing.MANIFEST), manifests.PRUNED, columns)


def _decided(settings: Settings, rows: pa.Table) -> review.Obeyed:
    engine = open_engine(settings)
    migrate(engine)
    return review.obey(rows, review.decisions(engine))


def _key(pruned: str, obeyed: review.Obeyed) -> str:
    """Return the fingerprint of the data set that a pruned manifest becomes by these decisions."""
    return pruned if obeyed.content is None else fingerprint("decided", pruned=pruned, decisions=obeyed.content)


def _latest_refresh(store: Store, settings: Settings, without: str = "") -> publishing.PublishedDataset | None:
    """Return the data set that was last made of iNaturalist's open data with the settings in force, other than one."""
    found = [each for each in publishing.list_datasets(store) if each.fingerprint != without]
    found = [each for each in found if _is_refresh(each, settings)]
    marked = latest_marked(store, choices(settings))
    return next((each for each in found if each.fingerprint == marked), found[0] if found else None)


def _is_refresh(dataset: publishing.PublishedDataset, settings: Settings) -> bool:
    return dataset.inputs.get("origin") == INATURALIST and is_made_with(dataset, settings)


def _changes(settings: Settings, store: Store, published: publishing.PublishedDataset) -> refresh.DatasetChanges | None:
    """Compare a data set with the one before it, once; None where there is none."""
    if store.exists(published.file(refresh.FILE)):
        return refresh.DatasetChanges.model_validate(store.read_json(published.file(refresh.FILE)))
    before = _latest_refresh(store, settings, without=published.fingerprint)
    if before is None or not _is_refresh(published, settings):
        return None
    old, new = (_rows(store, each, refresh.COLUMNS) for each in (before, published))
    gone = withdrawn(open_engine(settings))["photo_id"].to_pylist()
    changes = refresh.compare(old, new, gone, previous=before.fingerprint, current=published.fingerprint)
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
        BUILD,
        key=published.fingerprint,
        name=f"data set {published.fingerprint}",
        tags={
            "dataset": published.fingerprint,
            "origin": str(published.inputs["origin"]),
            "pruned": str(published.inputs["pruned"]),  # finds the report, whose run is named by it
        },
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
        "decided": published.decisions,
        "changes": changes.totals.model_dump() if changes else {},
    }
    for group, counts in groups.items():
        run.log_metrics({f"{group}/{name}": count for name, count in counts.items()})
