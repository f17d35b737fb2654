"""Stages of the DAG `model_train`, first half: preflight, plan, train, evaluate.

A model's files are written in a local work folder first and then copied into the store, a marker last: a killed
stage leaves no half model there, and its next try goes on from the work folder.
"""

from __future__ import annotations

import logging
from dataclasses import asdict

from mushroom_tasks.curation.dataset.publish import SPECIES, find_dataset
from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning import backbones, devices, evaluation
from mushroom_tasks.learning import train as training
from mushroom_tasks.mobile.bundle import MARKER
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.artifacts import (
    EVALUATION,
    MODEL,
    TRAINED,
    dataset_rows,
    model_path,
    newest_dataset,
    read_evaluation,
    registration_path,
)
from mushroom_tasks.stages.model_scores import JUNK, gap_of_splits, is_evaluated, named_metrics
from mushroom_tasks.stages.results import DevicesResult, EvaluationResult, PlanResult, TrainResult
from mushroom_tasks.stages.species_facts import names_fingerprint
from mushroom_tasks.stages.training_runs import EpochLog, logged, runs_of
from mushroom_tasks.storage import Store, fingerprint
from mushroom_tasks.tracking import open_tracker

logger = logging.getLogger(__name__)


def preflight(settings: Settings) -> DevicesResult:
    """Report the devices, their free memory, and which processes hold it."""
    found = [asdict(device) for device in devices.devices()]
    for device in found:
        logger.info("%(kind)s %(name)s: %(free_bytes)d of %(total_bytes)d bytes free, held by %(holders)s", device)
    return DevicesResult(backbone=settings.training.backbone, devices=found)


def plan_training(settings: Settings, dataset: str = "") -> PlanResult:
    """Name what is to be made of a data set (the newest where none is given), and tell whether it is there already."""
    store = Store(settings.store)
    published = find_dataset(store, dataset) if dataset else newest_dataset(store)
    for split in ("validation", "test"):
        if getattr(published.counts, split) == 0:
            raise LearningError(
                f"the data set {published.fingerprint} has no {split} photos to judge a model by. Raise "
                f"selection.{split}_share, or select photos of more observers."
            )
    backbone = backbones.get(settings.training.backbone)
    model = fingerprint(
        "model",
        version=1,
        dataset=published.fingerprint,
        training=settings.training.identity(),
        weights=backbone.weights_fingerprint(settings.training.weights, settings.training.weights_folder),
    )
    bundle = fingerprint(
        "bundle",
        version=2,
        model=model,
        export=settings.export.model_dump(mode="json", exclude={"common_names"}),
        common_names=names_fingerprint(settings.export.common_names),
        evaluation=evaluation.report_key(settings.evaluation),
    )
    return PlanResult(
        dataset=published.fingerprint,
        backbone=backbone.name,
        model=model,
        bundle=bundle,
        is_new=not (store.exists(f"bundles/{bundle}/{MARKER}") and store.exists(registration_path(settings, bundle))),
    )


def train(settings: Settings, plan: PlanResult) -> TrainResult:
    """Train the classifier phase by phase; every epoch goes to MLflow while it runs."""
    store = Store(settings.store)
    folder = f"models/{plan.model}"
    if not store.exists(f"{folder}/{TRAINED}"):
        published, rows = dataset_rows(store, plan)
        tracker = open_tracker(settings)
        parent, child = runs_of(tracker, plan)
        log = EpochLog(tracker, child, plan, settings.training.phases)
        with logged(parent, child, log):
            for run in (parent, child):
                run.log_params({"training": settings.training.model_dump(mode="json")})
                run.log_dataset(
                    name="mushrooms",
                    digest=published.fingerprint,
                    address=published.folder,
                    profile=published.counts.model_dump(),
                    context="training",
                )
            work = settings.home / "work" / plan.model
            found = training.train(
                rows, store, settings.cache, work, settings.training, log, settings.home / "progress"
            )
            log.finish_all(phase.name for phase in found.phases)
            child.log_metrics({"validation/accuracy": found.best_validation_accuracy, "train/seconds": found.seconds})
            result = TrainResult(
                fingerprint=plan.model,
                folder=store.address(folder),
                backbone=plan.backbone,
                classes=len(found.classes),
                validation_accuracy=found.best_validation_accuracy,
                seconds=found.seconds,
            )
            child.log_artifact(work / "curves.png", "plots")
            for name in (MODEL, "history.json", "curves.png"):
                store.write_bytes(f"{folder}/{name}", (work / name).read_bytes())
            store.write_json(f"{folder}/{TRAINED}", result)
    return TrainResult.model_validate(store.read_json(f"{folder}/{TRAINED}"))


def evaluate(settings: Settings, plan: PlanResult) -> EvaluationResult:
    """Judge the model on held-out observers: the test split as it came, and as pruning kept it."""
    store = Store(settings.store)
    if not is_evaluated(settings, store, plan):
        published, rows = dataset_rows(store, plan)
        parent, child = runs_of(open_tracker(settings), plan)
        with logged(parent, child):
            work = settings.home / "work" / plan.model
            report = evaluation.evaluate(
                model_path(settings, store, plan),
                rows,
                store,
                settings.cache,
                work,
                settings.training,
                settings.evaluation,
                species=store.read_json(published.file(SPECIES)),
                junk=JUNK,
                gap=gap_of_splits(settings, store, rows),
            )
            child.log_metrics(named_metrics(report))
            for name in evaluation.FIGURES:
                child.log_artifact(work / name, "plots")
            for name in (*evaluation.FIGURES, EVALUATION):  # the report last: it says that the figures are there
                store.write_bytes(f"models/{plan.model}/{name}", (work / name).read_bytes())
    found = read_evaluation(store, plan).as_came
    return EvaluationResult(
        fingerprint=plan.model,
        photos=found.photos,
        top1=found.top1,
        top5=found.top5,
        macro_f1=found.macro_f1,
    )
