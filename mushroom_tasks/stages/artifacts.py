"""Where the store keeps what training makes, and how it is read back."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mushroom_tasks import manifests
from mushroom_tasks.curation.dataset.publish import MANIFEST, PublishedDataset, find_dataset, list_datasets
from mushroom_tasks.errors import BundleError, CurationError
from mushroom_tasks.learning.evaluation import REPORT, EvaluationReport
from mushroom_tasks.mobile.bundle import MARKER, Bundle, read_bundle
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.results import PlanResult
from mushroom_tasks.storage import Store, fingerprint

MODEL = "model.keras"
TRAINED = "training.json"
EVALUATION = REPORT

# What learning, evaluation and export read of a data set, and no more: every data set ever published has these, so a
# column that curation adds to the manifest takes none of them away from training.
_LEARNED = [
    "photo_id",
    "observer_id",
    "taxon_id",
    "scientific_name",
    "license",
    "split",
    "path",
    "sha256",
    "small_path",
    "small_sha256",
    "is_outlier",
]
# Null in data sets from before they were there, or from before they were read here.
_LEARNED_SINCE = ["duplicate_of", "picture", "observation_uuid", "reason"]


def newest_dataset(store: Store) -> PublishedDataset:
    """Return the data set that was published last, be it for the second time (after a rollback)."""
    found = list_datasets(store)
    if not found:
        raise CurationError("there is no data set to train on. Run the DAG dataset_build (or `mushroom run`) first.")
    marked = latest_marked(store)
    return next((each for each in found if each.fingerprint == marked), found[0])


def mark_latest(store: Store, dataset: str, choices: Mapping[str, Any]) -> None:
    """Note which data set was published last, of all and of those with these settings; its folder never changes."""
    for path in (_latest_path({}), _latest_path(choices)):
        store.write_json(path, {"dataset": dataset})


def latest_marked(store: Store, choices: Mapping[str, Any] | None = None) -> str | None:
    """Return the data set that was published last, of all or of those with these settings; None for none."""
    with suppress(FileNotFoundError):
        return str(store.read_json(_latest_path(choices or {}))["dataset"])
    return None


def _latest_path(choices: Mapping[str, Any]) -> str:
    return f"latest/{fingerprint('latest', choices=choices)}.json"


def dataset_rows(store: Store, plan: PlanResult) -> tuple[PublishedDataset, pa.Table]:
    """Return the plan's data set and its rows, paths as learning reads them: some columns of `manifests.PRUNED`.

    A data set of an earlier version will do; what it lacks of the columns that were added since is null.
    """
    published = find_dataset(store, plan.dataset)
    path = published.file(MANIFEST)
    rows = manifests.read_manifest(store, path, manifests.PRUNED, _LEARNED)
    with store.open(path) as file:
        there = [name for name in _LEARNED_SINCE if name in pq.read_schema(file).names]
    # A former data set may hold nulls where today's cannot.
    nullable = pa.schema([manifests.PRUNED.field(name).with_nullable(True) for name in _LEARNED_SINCE])
    added = manifests.read_manifest(store, path, nullable, there)
    for name in _LEARNED_SINCE:
        nothing = pa.nulls(rows.num_rows, manifests.PRUNED.field(name).type)
        rows = rows.append_column(name, added[name] if name in there else nothing)
    return published, manifests.for_learning(rows)


def read_evaluation(store: Store, plan: PlanResult) -> EvaluationReport:
    """Return what the evaluation of the plan's model found; run the stage `evaluate` first."""
    return EvaluationReport.model_validate(store.read_json(f"models/{plan.model}/{EVALUATION}"))


def model_path(settings: Settings, store: Store, plan: PlanResult) -> Path:
    """Return a local path of the trained Keras model."""
    return store.local(f"models/{plan.model}/{MODEL}", settings.cache)


def bundle_folder(settings: Settings, store: Store, bundle: str) -> Path:
    """Return a local folder with a bundle's files; BundleError where the store has no such bundle."""
    folder = f"bundles/{bundle}"
    if not store.exists(f"{folder}/{MARKER}"):
        raise BundleError(f"there is no bundle in {store.address(folder)}. Export the model again.")
    return {store.local(f"{folder}/{name}", settings.cache).parent for name in store.list(folder)}.pop()


def zip_path(bundle: str) -> str:
    """Return where the store keeps the zip of a bundle."""
    return f"bundles/mushroom-{bundle}.zip"


def open_bundle(settings: Settings, store: Store, bundle: str) -> Bundle:
    """Return a bundle of the store, verified."""
    return read_bundle(bundle_folder(settings, store, bundle))


def tracked_path(settings: Settings, kind: str, key: str) -> str:
    """Return where the store notes that something was logged or registered; each MLflow has its own notes."""
    address = fingerprint("tracking", uri=settings.mlflow_tracking_uri)
    return f"tracked/{address}/{kind}/{key}.json"


def registration_path(settings: Settings, bundle: str) -> str:
    """Return where the store keeps the outcome of a registration; other gates are another registration."""
    return tracked_path(settings, "registrations", fingerprint("registration", bundle=bundle, gates=settings.registry))
