"""Where the store keeps what training makes, and how it is read back."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from mushroom_tasks import manifests
from mushroom_tasks.curation.publish import MANIFEST, PublishedDataset, find_dataset, list_datasets
from mushroom_tasks.errors import CurationError
from mushroom_tasks.mobile.bundle import Bundle, read_bundle
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.results import PlanResult
from mushroom_tasks.storage import Store

MODEL = "model.keras"
TRAINED = "training.json"
EVALUATION = "evaluation.json"


def newest_dataset(store: Store) -> PublishedDataset:
    """Return the newest data set."""
    found = list_datasets(store)
    if not found:
        raise CurationError("there is no data set to train on. Run the DAG dataset_build (or `mushroom run`) first.")
    return found[0]


def dataset_rows(store: Store, plan: PlanResult) -> tuple[PublishedDataset, pa.Table]:
    """Return the plan's data set and its rows (`manifests.PRUNED`)."""
    published = find_dataset(store, plan.dataset)
    return published, manifests.read_manifest(store, published.file(MANIFEST), manifests.PRUNED)


def model_path(settings: Settings, store: Store, plan: PlanResult) -> Path:
    """Return a local path of the trained Keras model."""
    return store.local(f"models/{plan.model}/{MODEL}", settings.cache)


def open_bundle(settings: Settings, store: Store, fingerprint: str) -> Bundle:
    """Return a bundle of the store, verified."""
    names = store.list(f"bundles/{fingerprint}")
    folders = {store.local(f"bundles/{fingerprint}/{name}", settings.cache).parent for name in names}
    return read_bundle(folders.pop())


def registration_path(settings: Settings, bundle: str) -> str:
    """Return where the store keeps the outcome of a registration; each registry has its own."""
    return f"registrations/{settings.registry.model_name}/{bundle}.json"
