"""What the demo tells at its end: the newest data set, its model, and what that says about a held-out photo.

found = finished(settings)
lines = describe(settings, found) if found else []
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from mushroom_tasks import manifests
from mushroom_tasks.curation.publish import MANIFEST, PublishedDataset, list_datasets
from mushroom_tasks.errors import BundleError
from mushroom_tasks.mobile.bundle import MARKER, Bundle, read_bundle
from mushroom_tasks.mobile.predict import Predictor
from mushroom_tasks.mobile.predict import describe as describe_predictions
from mushroom_tasks.settings import Settings
from mushroom_tasks.storage import Store

_BUNDLES = "bundles"


@dataclass(frozen=True)
class Finished:
    """The newest data set and a bundle of it."""

    dataset: PublishedDataset
    bundle: Bundle


def finished(settings: Settings) -> Finished | None:
    """Return the newest data set with its newest bundle, or None where it has none (or there is no data set)."""
    store = Store(settings.store)
    datasets = list_datasets(store)
    if not datasets:
        return None
    found = [
        bundle for bundle in _bundles(store, settings) if bundle.manifest.dataset.fingerprint == datasets[0].fingerprint
    ]
    newest = max(found, key=lambda bundle: (bundle.folder / MARKER).stat().st_mtime, default=None)
    return None if newest is None else Finished(datasets[0], newest)


def describe(settings: Settings, found: Finished) -> list[str]:
    """Return the lines of the summary."""
    counts, manifest = found.dataset.counts, found.bundle.manifest
    failures = sum(found.dataset.failures.values())
    lines = [
        f"Species   {counts.species}",
        f"Photos    {counts.photos} downloaded, {failures} could not be had{_by_reason(found.dataset.failures)}",
        f"Pruned    {counts.pruned}{_by_reason(found.dataset.pruned_by_reason)}",
        f"Split     {counts.train} train, {counts.validation} validation, {counts.test} test",
        f"Backbone  {manifest.backbone}",
    ]
    for name, accuracy in manifest.evaluation.items():
        lines.append(
            f"Accuracy  {name}: top-1 {accuracy.top1:.1%}, top-5 {accuracy.top5:.1%} of {accuracy.photos} photos"
        )
    for precision, entry in manifest.models.items():
        parity = entry.parity
        lines.append(
            f"{precision:<9} top-1 {parity.accuracy_litert:.1%}, before conversion {parity.accuracy_keras:.1%}; "
            f"agreement {parity.agreement:.1%}"
        )
    lines.append(f"Bundle    {found.bundle.folder}")
    lines += [f"          {name:<26} {_size(entry.bytes)}" for name, entry in sorted(manifest.files.items())]
    return [*lines, *_held_out(settings, found)]


def _held_out(settings: Settings, found: Finished) -> list[str]:
    """Name one photo of the test split, which no training has seen."""
    store = Store(settings.store)
    columns = ["photo_id", "path", "scientific_name", "split", "is_outlier"]
    table = manifests.read_manifest(store, found.dataset.file(MANIFEST), manifests.PRUNED, columns)
    test = table.filter(pc.and_(pc.equal(table["split"], "test"), pc.invert(table["is_outlier"])))
    if test.num_rows == 0:
        return []
    photo = test.slice(test.num_rows // 2, 1).to_pylist()[0]
    predictions = Predictor(found.bundle.folder).predict(store.read_bytes(photo["path"]))
    title = f"A held-out photo of {photo['scientific_name']} (photo {photo['photo_id']}):"
    return ["", *describe_predictions(title, predictions)]


def _bundles(store: Store, settings: Settings) -> list[Bundle]:
    bundles = []
    for name in store.list(_BUNDLES):
        with suppress(BundleError):  # unfinished, or of another version
            bundles.append(read_bundle(_local_folder(store, f"{_BUNDLES}/{name}", settings.cache)))
    return bundles


def _local_folder(store: Store, folder: str, cache: Path) -> Path:
    if store.is_local:
        return Path(store.path(folder))
    for name in store.list(folder):
        store.local(f"{folder}/{name}", cache)
    return cache / folder


def _size(count: int) -> str:
    return f"{count / 1e6:6.1f} MB" if count >= 1e5 else f"{count / 1e3:6.1f} kB"


def _by_reason(counts: dict[str, int]) -> str:
    listed = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()) if count)
    return f" ({listed})" if listed else ""
