"""All stages in a row, in this process: the workflow without Airflow."""

from __future__ import annotations

from collections.abc import Callable

from mushroom_tasks.settings import Settings
from mushroom_tasks.stages import dataset_building as building
from mushroom_tasks.stages import downloading, ingesting, releasing, selecting
from mushroom_tasks.stages import model_training as training
from mushroom_tasks.stages.results import DatasetResult, Result
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
    dataset = build_dataset(settings, report)
    return train_model(settings, dataset.fingerprint, report)


def build_dataset(settings: Settings, report: Report) -> DatasetResult:
    """Run the stages of `dataset_build`."""
    selection = selecting.select(settings)
    report("select", selection)
    for shard in selection.shards:
        report("download", downloading.download_shard(settings, selection.fingerprint, shard, len(selection.shards)))
    downloads = downloading.collect_downloads(settings, selection.fingerprint, len(selection.shards))
    report("collect", downloads)
    for shard in downloads.shards:
        report("embed", building.embed_shard(settings, downloads.fingerprint, shard, len(downloads.shards)))
    pruned = building.prune(settings, downloads.fingerprint)
    report("prune", pruned)
    dataset = building.publish(settings, pruned.fingerprint)
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
