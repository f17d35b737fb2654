"""All stages in a row, in this process: the workflow without Airflow."""

from __future__ import annotations

from collections.abc import Callable

from mushroom_tasks.settings import Settings
from mushroom_tasks.stages import dataset_building as building
from mushroom_tasks.stages import (
    downloading,
    ingesting,
    pruning,
    publishing,
    releasing,
    reporting,
    reviewing,
    selecting,
)
from mushroom_tasks.stages import model_training as training
from mushroom_tasks.stages.results import Result, SelectionResult
from mushroom_tasks.storage import Store

Report = Callable[[str, Result], None]


def run_all(settings: Settings, report: Report) -> str:
    """Run every stage and return the bundle's address.

    `report` is called with the name and the result of each stage when it has ended. What an earlier run has
    finished is not done again.
    """
    fetched = ingesting.snapshot(settings)
    report("snapshot", fetched)
    if fetched.is_new:
        report("ingest", ingesting.ingest(settings, fetched))
    return train_model(settings, build_dataset(settings, report), report)


def build_dataset(settings: Settings, report: Report) -> str:
    """Run the stages of `dataset_build` and return the data set's fingerprint."""
    selection = selecting.select(settings)
    report("select", selection)
    plan = publishing.plan_dataset(settings, selection)
    report("plan", plan)
    dataset = plan.dataset or _build(settings, selection, report)
    report("withdraw", publishing.withdraw(settings))
    return dataset


def _build(settings: Settings, selection: SelectionResult, report: Report) -> str:
    for shard in selection.shards:
        report("download", downloading.download_shard(settings, selection.fingerprint, shard, len(selection.shards)))
    downloads = downloading.collect_downloads(settings, selection.fingerprint, len(selection.shards))
    report("collect", downloads)
    for shard in downloads.shards:
        report("embed", building.embed_shard(settings, downloads.fingerprint, shard, len(downloads.shards)))
    pruned = pruning.prune(settings, downloads.fingerprint)
    report("prune", pruned)
    report("report", reporting.report(settings, pruned.fingerprint))
    report("review", reviewing.queue_review(settings, pruned.fingerprint))
    dataset = publishing.publish(settings, pruned.fingerprint)
    report("publish", dataset)
    return dataset.fingerprint


def train_model(settings: Settings, dataset: str, report: Report) -> str:
    """Run the stages of `model_train` and return the bundle's address."""
    plan = training.plan_training(settings, dataset)
    report("plan", plan)
    if plan.is_new:
        report("train", training.train(settings, plan))
        report("evaluate", training.evaluate(settings, plan))
        report("export", releasing.export(settings, plan))
        report("register", releasing.register(settings, plan))
    return Store(settings.store).address(f"bundles/{plan.bundle}")
