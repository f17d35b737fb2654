"""All stages in a row, in this process: the workflow without Airflow."""

from __future__ import annotations

from collections.abc import Sequence

from mushroom_tasks.settings import Settings
from mushroom_tasks.stages import (
    downloading,
    embedding,
    ingesting,
    pruning,
    publishing,
    releasing,
    reporting,
    reviewing,
    selecting,
)
from mushroom_tasks.stages import model_training as training
from mushroom_tasks.stages.results import DatasetResult, Report, SelectionResult
from mushroom_tasks.storage import Store


def run_all(settings: Settings, report: Report) -> str:
    """Run every stage and return the bundle's address.

    What an earlier run has finished is not done again.
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
    dataset = plan.dataset or build(settings, selection, publishing.INATURALIST, report).fingerprint
    report("withdraw", publishing.withdraw(settings))
    return dataset


def build(settings: Settings, selection: SelectionResult, origin: str, report: Report) -> DatasetResult:
    """Run the stages that follow a selection: download, and those of `finish`."""
    for shard in selection.shards:
        report("download", downloading.download_shard(settings, selection.fingerprint, shard, len(selection.shards)))
    downloads = downloading.collect_downloads(settings, selection.fingerprint, len(selection.shards))
    report("collect", downloads)
    return finish(settings, downloads.fingerprint, downloads.shards, origin, report)


def finish(settings: Settings, downloads: str, shards: Sequence[int], origin: str, report: Report) -> DatasetResult:
    """Run the stages that follow a download: embed, prune, report, put before people, publish."""
    for shard in shards:
        report("embed", embedding.embed_shard(settings, downloads, shard, len(shards)))
    pruned = pruning.prune(settings, downloads)
    report("prune", pruned)
    report("report", reporting.report(settings, pruned.fingerprint))
    report("review", reviewing.queue_review(settings, pruned.fingerprint, origin))
    dataset = publishing.publish(settings, pruned.fingerprint, origin)
    report("publish", dataset)
    return dataset


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
