"""What the demo tells at its end: the newest data set, its model, and what that says about a held-out photo.

found = finished(settings)
lines = describe(settings, found) if found else []
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow.compute as pc

from mushroom_tasks import manifests, stages
from mushroom_tasks.curation.dataset.publish import MANIFEST, PublishedDataset, list_datasets
from mushroom_tasks.mobile.bundle import MARKER, Bundle
from mushroom_tasks.mobile.predict import Predictor
from mushroom_tasks.mobile.predict import describe as describe_predictions
from mushroom_tasks.progress import size
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.artifacts import zip_path
from mushroom_tasks.storage import Store


@dataclass(frozen=True)
class Finished:
    """The newest data set and a bundle of it."""

    dataset: PublishedDataset
    bundle: Bundle


def finished(settings: Settings) -> Finished | None:
    """Return the newest data set that was made with these settings and its bundle, or None where either is missing."""
    store = Store(settings.store)
    for dataset in list_datasets(store):
        if stages.is_made_with(dataset, settings):
            bundle = stages.plan_training(settings, dataset.fingerprint).bundle
            if store.exists(f"bundles/{bundle}/{MARKER}"):
                return Finished(dataset, stages.open_bundle(settings, store, bundle))
            return None
    return None


def describe(settings: Settings, found: Finished) -> list[str]:
    """Return the lines of the summary."""
    counts, manifest = found.dataset.counts, found.bundle.manifest
    failures = sum(found.dataset.failures.values())
    lines = [
        f"Species   {counts.species}",
        f"Photos    {counts.photos} downloaded, {failures} could not be had{_by_reason(found.dataset.failures)}",
        f"Pruned    {counts.pruned}{_by_reason(found.dataset.pruned_by_reason)}",
        f"Decided   {sum(found.dataset.decisions.values())} by people{_by_reason(found.dataset.decisions)}",
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
    lines.append(f"Zip       {Store(settings.store).address(zip_path(manifest.fingerprint))}")
    lines += [f"          {name:<26} {size(entry.bytes):>10}" for name, entry in sorted(manifest.files.items())]
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
    answer = Predictor(found.bundle.folder).predict(store.read_bytes(photo["path"]))
    title = f"A held-out photo of {photo['scientific_name']} (photo {photo['photo_id']}):"
    return ["", *describe_predictions(title, answer)]


def _by_reason(counts: dict[str, int]) -> str:
    listed = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()) if count)
    return f" ({listed})" if listed else ""
