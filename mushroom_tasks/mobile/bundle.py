"""The bundle: one folder with everything an app needs, and what people need to know about it.

    mushroom-float32.tflite, mushroom-int8.tflite    the models (see `export`)
    labels.txt         one scientific name per line, in the order of the model's output
    species.json       per class: index, taxon_id, scientific_name, rank, taxonomy, link to iNaturalist
    MODEL_CARD.md      what the model is, how good, where its limits are
    attribution.csv    the credit of every photo it was made from
    bundle.json        input, output, metrics, size and sha256 of every file; written last

A folder without bundle.json is unfinished work of a killed run and no bundle.

    bundle = read_bundle(Path("bundles/ab12"))
    bundle.model("int8")                # Path of mushroom-int8.tflite
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mushroom_tasks.errors import BundleError
from mushroom_tasks.escaping import plain
from mushroom_tasks.mobile.card import card_text
from mushroom_tasks.mobile.export import INPUT_TYPES, ExportedModel
from mushroom_tasks.mobile.interpreter import LiteRTClassifier
from mushroom_tasks.mobile.parity import Parity
from mushroom_tasks.mobile.schema import (
    SCHEMA_VERSION,
    Accuracy,
    DatasetFacts,
    FileEntry,
    InputSpec,
    Manifest,
    ModelEntry,
    OutputSpec,
    Species,
)
from mushroom_tasks.storage import Store, sha256_file

LABELS = "labels.txt"
SPECIES = "species.json"
CARD = "MODEL_CARD.md"
ATTRIBUTION = "attribution.csv"
MARKER = "bundle.json"
_BESIDE = (LABELS, SPECIES, CARD, ATTRIBUTION)  # what lies beside the models
_SPECIES_LIST = TypeAdapter(tuple[Species, ...])


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are all there and as they were written."""

    folder: Path
    manifest: Manifest
    species: tuple[Species, ...]

    def model(self, precision: str) -> Path:
        """Return the path of a model; raises BundleError that lists the precisions there are."""
        models = {str(name): entry for name, entry in self.manifest.models.items()}
        if precision not in models:
            raise BundleError(
                f"{self.folder} holds no model of that precision. Received: {precision!r}. There: {', '.join(models)}."
            )
        return self.folder / models[precision].file


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
        The classes in the order of the model's output: taxon_id, scientific_name, rank, and taxonomy as a list of
        taxon_id, rank and name from kingdom to species.
    evaluation
        Accuracy of the Keras model on held-out photos, by the name of the set: the fields of `Accuracy`; further
        keys are left out.
    dataset
        The data set the model was made from.
    attribution
        The data set's attribution.csv, copied as it is.

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
        models={model.precision: _entry(model, parity[model.precision]) for model in models},
        evaluation=accuracies,
        files={},
    )
    _write_files(store, models, classes, manifest, attribution)
    manifest = manifest.model_copy(update={"files": _listed(folder, models)})
    store.write_text(MARKER, _json(manifest.model_dump(mode="json")))
    return Bundle(folder, manifest, classes)


def read_bundle(folder: Path) -> Bundle:
    """Return a bundle after checking its version and every file's size and sha256.

    Raises BundleError that names the file which is missing or damaged.
    """
    manifest = _read_manifest(folder / MARKER)
    for name, expected in manifest.files.items():
        _verify(folder / name, expected)
    needed = {SPECIES, *(entry.file for entry in manifest.models.values())}
    unlisted = sorted(needed - set(manifest.files))
    if unlisted:
        raise BundleError(f"{folder / MARKER} has no checksum for {unlisted}. {_AGAIN}")
    try:
        species = _SPECIES_LIST.validate_json((folder / SPECIES).read_bytes())
    except ValidationError as error:
        raise BundleError(f"{folder / SPECIES} is not as this version writes it: {error}. {_AGAIN}") from error
    return Bundle(folder, manifest, species)


_AGAIN = "Copy the bundle again, or export it again."


def _read_manifest(path: Path) -> Manifest:
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise BundleError(
            f"no bundle there: {path} is missing, so this is another folder or a bundle that was not finished. {_AGAIN}"
        ) from None
    except ValueError as error:
        raise BundleError(f"{path} is damaged: {error}. {_AGAIN}") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise BundleError(
            f"{path} is of another schema version. Expected: {SCHEMA_VERSION}, received: {version!r}. Use the version "
            "of this package that wrote it, or export the bundle again."
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise BundleError(f"{path} is damaged: {error}. {_AGAIN}") from error


def _verify(path: Path, expected: FileEntry) -> None:
    try:
        size, digest = path.stat().st_size, sha256_file(path)
    except OSError as error:
        raise BundleError(f"{path} of the bundle is missing or cannot be read: {error}. {_AGAIN}") from error
    if (size, digest) != (expected.bytes, expected.sha256):
        raise BundleError(
            f"{path} is damaged: expected {expected.bytes} bytes with sha256 {expected.sha256}. Received: {size} bytes "
            f"with {digest}. {_AGAIN}"
        )


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
    store: Store,
    models: Sequence[ExportedModel],
    classes: tuple[Species, ...],
    manifest: Manifest,
    attribution: Path,
) -> None:
    """Write everything but the marker."""
    for model in models:
        _copy(model.path, store, _model_file(model))
    _copy(attribution, store, ATTRIBUTION)
    store.write_text(LABELS, "".join(f"{plain(item.scientific_name)}\n" for item in classes))
    store.write_text(SPECIES, _json(_SPECIES_LIST.dump_python(classes, mode="json")))
    store.write_text(CARD, card_text(manifest, classes, {_model_file(model): model.bytes for model in models}))


def _listed(folder: Path, models: Sequence[ExportedModel]) -> dict[str, FileEntry]:
    names = sorted([*map(_model_file, models), *_BESIDE])
    return {name: FileEntry(bytes=(folder / name).stat().st_size, sha256=sha256_file(folder / name)) for name in names}


def _entry(model: ExportedModel, parity: Parity) -> ModelEntry:
    return ModelEntry(file=_model_file(model), input_type=INPUT_TYPES[model.precision], parity=parity)


def _model_file(model: ExportedModel) -> str:
    return f"mushroom-{model.precision}.tflite"


def _clear(folder: Path, store: Store) -> None:
    """Take away an older bundle, its marker first, so that a killed run never leaves a mixture that looks complete."""
    store.delete(MARKER)
    for path in [*folder.glob("*.tflite"), *(folder / name for name in _BESIDE)]:
        path.unlink(missing_ok=True)


def _copy(source: Path, store: Store, name: str) -> None:
    with source.open("rb") as read, store.open_atomic(name) as write:
        shutil.copyfileobj(read, write)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
