"""Stages of the DAG `model_train`, second half: export and register."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mushroom_tasks import manifests
from mushroom_tasks.curation.counts import tally
from mushroom_tasks.curation.dataset.publish import ATTRIBUTION, MANIFEST, SPECIES, PublishedDataset
from mushroom_tasks.learning import evaluation
from mushroom_tasks.learning.evaluation import EvaluationReport
from mushroom_tasks.learning.evaluation.calibration import tempered
from mushroom_tasks.mobile.archive import pack
from mushroom_tasks.mobile.bundle import MARKER, Bundle, read_bundle
from mushroom_tasks.mobile.parity import Parity
from mushroom_tasks.mobile.schema import Calibration, DatasetFacts, RankThreshold, Unknown
from mushroom_tasks.mobile.writing import write_bundle
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.artifacts import (
    dataset_rows,
    model_path,
    open_bundle,
    read_evaluation,
    registration_path,
    zip_path,
)
from mushroom_tasks.stages.gates import failed_gates
from mushroom_tasks.stages.publishing import INATURALIST
from mushroom_tasks.stages.results import BundleResult, PlanResult, RegistrationResult
from mushroom_tasks.stages.season_prior import PRIOR_COLUMNS, Judged, season_prior
from mushroom_tasks.stages.species_facts import PHOTO_COLUMNS, describe_species, read_common_names
from mushroom_tasks.stages.training_runs import logged, runs_of
from mushroom_tasks.stages.variants import make_variants
from mushroom_tasks.storage import Store, fingerprint
from mushroom_tasks.tracking import Run, Tracker, open_tracker

logger = logging.getLogger(__name__)

_AS_CAME, _AS_KEPT = "held-out observers, as it came", "held-out observers, as kept"


def export(settings: Settings, plan: PlanResult) -> BundleResult:
    """Convert to LiteRT, check every variant against Keras on the test split, and write the bundle and a zip of it."""
    store = Store(settings.store)
    if not store.exists(f"bundles/{plan.bundle}/{MARKER}"):
        parent, child = runs_of(open_tracker(settings), plan)
        with logged(parent, child):
            work = settings.home / "work" / plan.bundle
            _make_bundle(settings, store, plan, work)
            for precision, entry in read_bundle(work / "bundle").manifest.models.items():
                child.log_metrics({f"{precision}/{name}": value for name, value in _numbers(entry.parity).items()})
            child.log_folder(work / "bundle", _artifact(plan))
            # Before the folder, whose marker says that all is there.
            with (work / "bundle.zip").open("rb") as source, store.open_atomic(zip_path(plan.bundle)) as target:
                shutil.copyfileobj(source, target)
            store.upload_folder(work / "bundle", f"bundles/{plan.bundle}", marker=MARKER)
    manifest = open_bundle(settings, store, plan.bundle).manifest
    return BundleResult(
        fingerprint=plan.bundle,
        folder=store.address(f"bundles/{plan.bundle}"),
        zip=store.address(zip_path(plan.bundle)),
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


def _make_bundle(settings: Settings, store: Store, plan: PlanResult, work: Path) -> None:
    """Write the bundle's folder, and the zip of it, below `work`."""
    published, rows = dataset_rows(store, plan)
    report = read_evaluation(store, plan)
    species = store.read_json(published.file(SPECIES))
    columns = sorted({*PHOTO_COLUMNS, *PRIOR_COLUMNS})
    photos = manifests.read_manifest(store, published.file(MANIFEST), manifests.PRUNED, columns)
    model, temperature = model_path(settings, store, plan), report.calibration.temperature
    answers = {
        split: evaluation.predict_split(model, rows, store, settings.cache, settings.training, split)
        for split in ("validation", "test")
    }
    variants = make_variants(settings, store, plan, rows, model, answers["test"][1], temperature, work)
    validation, test = (
        Judged(photo_ids, tempered(probabilities, temperature), labels)
        for photo_ids, probabilities, labels in answers.values()
    )
    names = settings.export.common_names
    write_bundle(
        work / "bundle",
        fingerprint=plan.bundle,
        backbone=plan.backbone,
        models=variants.models,
        parity=variants.parity,
        species=describe_species(
            species, photos, np.asarray(report.as_came.confusion), read_common_names(Path(names)) if names else {}
        ),
        evaluation=_accuracies(report),
        dataset=_facts(published, rows),
        attribution=store.local(published.file(ATTRIBUTION), settings.cache),
        calibration=_calibration(report),
        prior=season_prior(settings, published, species, photos, validation, test),
    )
    pack(work / "bundle", work / "bundle.zip")


def _numbers(parity: Parity) -> dict[str, float]:
    """Return what MLflow compares of a variant."""
    plain = parity.model_dump(exclude={"machine", "photos", "measures_keras", "measures_litert"})
    sides = (("keras", parity.measures_keras), ("litert", parity.measures_litert))
    return {**plain, **{f"{name}_{side}": value for side, found in sides for name, value in found.items()}}


def _calibration(report: EvaluationReport) -> Calibration:
    unknown, taxonomy = report.unknown, report.taxonomy
    return Calibration(
        temperature=report.calibration.temperature,
        unknown=Unknown(score=unknown.score, threshold=unknown.threshold, accepted=unknown.accepted),
        ranks=tuple(RankThreshold(rank=each.rank, threshold=each.threshold) for each in taxonomy.ranks)
        if taxonomy
        else (),
        right=taxonomy.wanted if taxonomy else None,
    )


def _accuracies(report: EvaluationReport) -> dict[str, dict[str, Any]]:
    named = {_AS_CAME: report.as_came, _AS_KEPT: report.kept}
    return {name: found.model_dump() for name, found in named.items() if found is not None}


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
