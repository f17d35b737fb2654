"""Writing a bundle (`bundle` says what is in it): everything is checked, then written, the marker last.

write_bundle(folder, fingerprint="ab12", backbone="efficientnet_lite0", models=models, parity=parity, ...)
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mushroom_tasks.errors import BundleError
from mushroom_tasks.escaping import plain
from mushroom_tasks.mobile import prior as priors
from mushroom_tasks.mobile.bundle import ATTRIBUTION, BESIDE, CARD, MARKER, PRIOR, SPECIES, Bundle
from mushroom_tasks.mobile.card import card_text
from mushroom_tasks.mobile.export import INPUT_TYPES, ExportedModel
from mushroom_tasks.mobile.interpreter import LiteRTClassifier
from mushroom_tasks.mobile.metadata import LABELS_FILE, Description, with_metadata
from mushroom_tasks.mobile.parity import Parity
from mushroom_tasks.mobile.schema import (
    Accuracy,
    Calibration,
    DatasetFacts,
    FileEntry,
    InputSpec,
    Manifest,
    ModelEntry,
    OutputSpec,
    PriorFacts,
    Species,
    SpeciesFile,
)
from mushroom_tasks.storage import Store, sha256_file


def write_bundle(
    folder: Path,
    *,
    fingerprint: str,
    backbone: str,
    models: Sequence[ExportedModel],
    parity: Mapping[str, Parity],
    species: Sequence[Mapping[str, Any]],
    evaluation: Mapping[str, Mapping[str, Any]],
    dataset: DatasetFacts,
    attribution: Path,
    calibration: Calibration = Calibration(),  # noqa: B008 - frozen
    prior: tuple[priors.Prior, PriorFacts] | None = None,
) -> Bundle:
    """Write a bundle into a local folder, bundle.json last. An older bundle in the folder is replaced.

    Parameters
    ----------
    folder
        Made where it is missing.
    fingerprint, backbone
        Identity of the bundle, and name of the backbone in its models.
    models, parity
        The exported models, and each one's comparison with Keras by precision.
    species
        The classes in the order of the model's output: the fields of `schema.Species` without `index`; needed are
        taxon_id, scientific_name, rank, and taxonomy as a list of taxon_id, rank and name from kingdom to species.
    evaluation
        Accuracy of the Keras model on held-out photos, by the name of the set: the fields of `Accuracy`; further
        keys are left out.
    dataset
        The data set the model was made from.
    attribution
        The data set's attribution.csv, copied as it is.
    calibration
        What is done to the model's answer before it is shown.
    prior
        What season and place say, and how it was made; None where nothing is known of them.

    Raises
    ------
    BundleError
        Something does not fit together or is missing; says what.
    StorageFull
        No space is left.
    """
    classes, accuracies = _number(species), _accuracies(evaluation)
    size = _check(models, parity, classes, attribution)
    store = Store(folder)
    _clear(folder, store)
    manifest = Manifest(
        fingerprint=fingerprint,
        backbone=backbone,
        dataset=dataset,
        input=InputSpec(size=size, shape=(1, size, size, 3)),
        output=OutputSpec(shape=(1, len(classes))),
        calibration=calibration,
        prior=prior[1] if prior else None,
        models={model.precision: _entry(model, parity[model.precision]) for model in models},
        evaluation=accuracies,
        files={},
    )
    _copy(attribution, store, ATTRIBUTION)
    if prior:
        store.write_bytes(PRIOR, priors.write(prior[0]))
    _write_files(store, models, classes, manifest)
    manifest = manifest.model_copy(update={"files": _listed(folder)})
    store.write_text(MARKER, _json(manifest.model_dump(mode="json")))
    return Bundle(folder, manifest, classes)


def _number(species: Sequence[Mapping[str, Any]]) -> tuple[Species, ...]:
    try:
        classes = tuple(Species.model_validate({**item, "index": index}) for index, item in enumerate(species))
    except ValidationError as error:
        raise BundleError(f"a species of the bundle is not described as it should be: {error}") from error
    labels = [plain(item.scientific_name) for item in classes]
    if "" in labels or len(set(labels)) < len(labels):
        raise BundleError(f"each class of a bundle has a name of its own. Received: {labels}")
    return classes


def _accuracies(evaluation: Mapping[str, Mapping[str, Any]]) -> dict[str, Accuracy]:
    try:
        return {name: Accuracy.model_validate(values) for name, values in evaluation.items()}
    except ValidationError as error:
        raise BundleError(f"an accuracy of the bundle is not as it should be: {error}") from error


def _check(
    models: Sequence[ExportedModel], parity: Mapping[str, Parity], classes: tuple[Species, ...], attribution: Path
) -> int:
    """Return the input size that all models share, after checking that everything fits together."""
    if not models:
        raise BundleError("a bundle holds at least one model. Received: none. Set export.precisions.")
    missing = [model.precision for model in models if model.precision not in parity]
    if missing:
        raise BundleError(f"no parity was measured for {missing}. Run `compare` before the bundle is written.")
    loaded = [LiteRTClassifier(model.path) for model in models]
    shapes = {(model.input_size, model.classes) for model in loaded}
    if len(shapes) > 1 or loaded[0].classes != len(classes):
        raise BundleError(
            f"the models of a bundle share one input size, and have as many classes as there are species "
            f"({len(classes)}). Received (size, classes): {sorted(shapes)}"
        )
    if not attribution.is_file():
        raise BundleError(
            f"the credits of the photos are missing. Received: {attribution}. Publish the data set first."
        )
    return loaded[0].input_size


def _write_files(
    store: Store, models: Sequence[ExportedModel], classes: tuple[Species, ...], manifest: Manifest
) -> None:
    """Write the models, each with its metadata, and what is written about them."""
    labels = [plain(item.scientific_name) for item in classes]
    sizes = {}
    for model in models:
        name = _model_file(model)
        described = _described(manifest, model, len(labels))
        data = with_metadata(model.path.read_bytes(), described, labels, manifest.input.size)
        store.write_bytes(name, data)
        sizes[name] = len(data)
    store.write_text(LABELS_FILE, "".join(f"{label}\n" for label in labels))
    store.write_text(SPECIES, _json(SpeciesFile(species=classes).model_dump(mode="json")))
    store.write_text(CARD, card_text(manifest, classes, sizes))


def _described(manifest: Manifest, model: ExportedModel, classes: int) -> Description:
    temperature = manifest.calibration.temperature
    return Description(
        name=f"Species classifier {manifest.fingerprint}, {model.precision}",
        text=(
            f"Names {classes} species in a photo; made from the backbone {manifest.backbone} with data set "
            f"{manifest.dataset.fingerprint} ({manifest.dataset.origin}). Show the top five with their probabilities "
            "(temperature "
            f"{temperature:.4g}, see bundle.json), say that it may be none of them, and give no advice on consumption."
        ),
        version=manifest.fingerprint,
        author="mobile-mushroom-classifier",
        license="Code Apache-2.0; the photos it learned from under their own licences, see attribution.csv",
    )


def _listed(folder: Path) -> dict[str, FileEntry]:
    names = sorted(path.name for path in folder.iterdir() if path.suffix == ".tflite" or path.name in BESIDE)
    return {name: FileEntry(bytes=(folder / name).stat().st_size, sha256=sha256_file(folder / name)) for name in names}


def _entry(model: ExportedModel, parity: Parity) -> ModelEntry:
    return ModelEntry(file=_model_file(model), input_type=INPUT_TYPES[model.precision], parity=parity)


def _model_file(model: ExportedModel) -> str:
    return f"mushroom-{model.precision}.tflite"


def _clear(folder: Path, store: Store) -> None:
    """Take away an older bundle, its marker first, so that a killed run never leaves a mixture that looks complete."""
    store.delete(MARKER)
    for path in [*folder.glob("*.tflite"), *(folder / name for name in BESIDE)]:
        path.unlink(missing_ok=True)


def _copy(source: Path, store: Store, name: str) -> None:
    with source.open("rb") as read, store.open_atomic(name) as write:
        shutil.copyfileobj(read, write)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
