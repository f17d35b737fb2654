"""Stages of the DAG `model_train`, second half: export and register."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mushroom_tasks import manifests
from mushroom_tasks.curation.counts import tally
from mushroom_tasks.curation.dataset.publish import ATTRIBUTION, SPECIES, PublishedDataset
from mushroom_tasks.learning import backbones
from mushroom_tasks.learning import evaluate as evaluation
from mushroom_tasks.learning.dataset import select_split
from mushroom_tasks.learning.pixels import PreparedPixels, prepare
from mushroom_tasks.mobile.bundle import MARKER, Bundle, write_bundle
from mushroom_tasks.mobile.export import ExportedModel
from mushroom_tasks.mobile.export import export as export_model
from mushroom_tasks.mobile.parity import Parity, compare, require_agreement
from mushroom_tasks.mobile.schema import DatasetFacts
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.artifacts import EVALUATION, dataset_rows, model_path, open_bundle, registration_path
from mushroom_tasks.stages.gates import failed_gates
from mushroom_tasks.stages.publishing import INATURALIST
from mushroom_tasks.stages.results import BundleResult, PlanResult, RegistrationResult
from mushroom_tasks.stages.training_runs import logged, runs_of
from mushroom_tasks.storage import Store, fingerprint
from mushroom_tasks.tracking import Run, Tracker, open_tracker

logger = logging.getLogger(__name__)

_AS_CAME, _AS_KEPT = "held-out observers, as it came", "held-out observers, as kept"
# One photo at a time through LiteRT: more would take minutes and change the agreement by less than a percent.
_PARITY_PHOTOS = 2_000


def export(settings: Settings, plan: PlanResult) -> BundleResult:
    """Convert to LiteRT, check every variant against Keras on the test split, and write the bundle."""
    store = Store(settings.store)
    if not store.exists(f"bundles/{plan.bundle}/{MARKER}"):
        published, rows = dataset_rows(store, plan)
        parent, child = runs_of(open_tracker(settings), plan)
        with logged(parent, child):
            work = settings.home / "work" / plan.bundle
            models, parity = _variants(settings, store, plan, rows, work)
            for precision, found in parity.items():
                numbers = found.model_dump(exclude={"machine", "photos"})
                child.log_metrics({f"{precision}/{name}": value for name, value in numbers.items()})
            write_bundle(
                work / "bundle",
                fingerprint=plan.bundle,
                backbone=plan.backbone,
                models=models,
                parity=parity,
                species=store.read_json(published.file(SPECIES)),
                evaluation=_accuracies(store, plan),
                dataset=_facts(published, rows),
                attribution=store.local(published.file(ATTRIBUTION), settings.cache),
            )
            child.log_folder(work / "bundle", _artifact(plan))
            store.upload_folder(work / "bundle", f"bundles/{plan.bundle}", marker=MARKER)
    manifest = open_bundle(settings, store, plan.bundle).manifest
    return BundleResult(
        fingerprint=plan.bundle,
        folder=store.address(f"bundles/{plan.bundle}"),
        files={name: entry.bytes for name, entry in manifest.files.items()},
        agreement={str(name): entry.parity.agreement for name, entry in manifest.models.items()},
        top1={str(name): entry.parity.accuracy_litert for name, entry in manifest.models.items()},
    )


def register(settings: Settings, plan: PlanResult) -> RegistrationResult:
    """Register the bundle as a model version; the alias `champion` moves when all gates pass.

    A bundle that fails a gate is registered as `challenger`, and the earlier champion stays.
    """
    store = Store(settings.store)
    marker = registration_path(settings, plan.bundle)
    if not store.exists(marker):
        bundle = open_bundle(settings, store, plan.bundle)
        tracker = open_tracker(settings)
        parent, child = runs_of(tracker, plan)
        with logged(parent, child):
            result = _registered(settings, store, tracker, bundle, plan, child)
            gates = "failed: " + "; ".join(result.failed_gates) if result.failed_gates else "passed"
            for run in (parent, child):
                run.set_tags({"gates": gates, "model_version": result.version})
            # On the parent too, so that trainings can be compared without opening their children.
            parent.log_metrics({"test/top1": bundle.manifest.evaluation[_AS_CAME].top1})
            for run in (parent, child):
                run.finish()
        store.write_json(marker, result)
    return RegistrationResult.model_validate(store.read_json(marker))


def _registered(
    settings: Settings, store: Store, tracker: Tracker, bundle: Bundle, plan: PlanResult, run: Run
) -> RegistrationResult:
    model = settings.registry.model_name
    champion = tracker.champion(model)
    failed = failed_gates(bundle.manifest, settings.registry, champion.tags if champion else None)
    for reason in failed:
        logger.warning("gate failed: %s", reason)
    version = tracker.register(model, run=run, artifact=_artifact(plan), key=plan.bundle, tags=_tags(bundle, plan))
    # A champion that is judged again, by tighter gates, stays: there is nothing better to put in its place.
    is_champion = not failed or (champion is not None and champion.version == version.version)
    tracker.set_alias(version, "champion" if is_champion else "challenger")
    return RegistrationResult(
        bundle=store.address(f"bundles/{plan.bundle}"),
        version=version.version,
        is_champion=is_champion,
        failed_gates=failed,
    )


def _artifact(plan: PlanResult) -> str:
    """Return the run's artifact folder: a model exported in another way must not touch what is registered."""
    return f"bundles/{plan.bundle}"


def _variants(
    settings: Settings, store: Store, plan: PlanResult, rows: pa.Table, work: Path
) -> tuple[list[ExportedModel], dict[str, Parity]]:
    model = model_path(settings, store, plan)
    _, probabilities, labels = evaluation.predict_split(model, rows, store, settings.cache, settings.training, "test")
    prepared = prepare(rows, store, settings.cache, backbones.get(plan.backbone).input_size)
    chosen = _sample(len(labels), _PARITY_PHOTOS, settings.training.seed)
    photos = _pixels(prepared, rows, "test", chosen)
    kept = select_split(rows, "train", kept_only=True)
    calibration = _sample(len(kept), settings.export.representative_photos, settings.training.seed)
    representative = prepared.pixels[prepared.indices(kept.sha256[calibration].tolist())]
    models, parity = [], {}
    for precision in settings.export.precisions:
        exported = export_model(model, representative, precision, work / f"{precision}.tflite")
        found = compare(probabilities[chosen], labels[chosen], exported.path, photos)
        require_agreement(found, precision, settings.export.min_agreement)
        models.append(exported)
        parity[str(precision)] = found
    return models, parity


def _pixels(prepared: PreparedPixels, rows: pa.Table, split: str, chosen: NDArray[np.int64]) -> NDArray[np.uint8]:
    sha256 = select_split(rows, split, kept_only=False).sha256[chosen]
    return prepared.pixels[prepared.indices(sha256.tolist())]


def _sample(count: int, most: int, seed: int) -> NDArray[np.int64]:
    """Return at most `most` of the indices below `count`, drawn with a seed, in ascending order."""
    return np.sort(np.random.default_rng(seed).permutation(count)[:most])


def _accuracies(store: Store, plan: PlanResult) -> dict[str, dict[str, Any]]:
    report = store.read_json(f"models/{plan.model}/{EVALUATION}")
    named = {_AS_CAME: report["as_came"], _AS_KEPT: report["kept"]}
    return {name: values for name, values in named.items() if values is not None}


def _facts(published: PublishedDataset, rows: pa.Table) -> DatasetFacts:
    return DatasetFacts(
        fingerprint=published.fingerprint,
        origin=str(published.inputs.get("origin", INATURALIST)),
        photos=published.counts.photos,
        pruned=published.counts.pruned,
        splits={split: getattr(published.counts, split) for split in manifests.SPLITS},
        licenses=tally(rows["license"]),
    )


def _tags(bundle: Bundle, plan: PlanResult) -> dict[str, str]:
    return {
        "bundle": plan.bundle,
        "dataset": plan.dataset,
        "backbone": plan.backbone,
        "species": fingerprint("species", names=[species.scientific_name for species in bundle.species]),
        "top1": f"{bundle.manifest.evaluation[_AS_CAME].top1:.4f}",
        "top5": f"{bundle.manifest.evaluation[_AS_CAME].top5:.4f}",
    }
