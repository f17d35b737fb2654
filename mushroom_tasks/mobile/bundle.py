"""The bundle: one folder with everything an app needs, and what people need to know about it.

    mushroom-float32.tflite, mushroom-int8.tflite, ...    the models (see `export`), metadata and labels packed in
    labels.txt         one scientific name per line, in the order of the model's output
    species.json       per class: names, taxonomy, look-alikes, documented warnings, credited photos
    prior.bin          what season and place say (see `prior`); only where observations are known
    MODEL_CARD.md      what the model is, how good, where its limits are
    attribution.csv    the credit of every photo it was made from
    bundle.json        input, output, metrics, size and sha256 of every file; written last

A folder without bundle.json is unfinished work of a killed run and no bundle. `archive` makes one zip of it.

    bundle = read_bundle(Path("bundles/ab12"))
    bundle.model("int8")                # Path of mushroom-int8.tflite
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from mushroom_tasks.errors import BundleError
from mushroom_tasks.mobile import prior as priors
from mushroom_tasks.mobile.metadata import LABELS_FILE
from mushroom_tasks.mobile.schema import SCHEMA_VERSION, FileEntry, Manifest, Species, SpeciesFile
from mushroom_tasks.storage import sha256_file

SPECIES = "species.json"
CARD = "MODEL_CARD.md"
ATTRIBUTION = "attribution.csv"
PRIOR = "prior.bin"
MARKER = "bundle.json"
BESIDE = (LABELS_FILE, SPECIES, CARD, ATTRIBUTION, PRIOR)  # what lies beside the models


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

    def prior(self) -> priors.Prior | None:
        """Return the prior of season and place; None where the bundle has none. Raises BundleError where it is bad."""
        if self.manifest.prior is None:
            return None
        found = priors.read((self.folder / self.manifest.prior.file).read_bytes())
        if found.classes != len(self.species):
            raise BundleError(
                f"the prior of {self.folder} is of {found.classes} classes, the model of {len(self.species)}. {_AGAIN}"
            )
        return found


def read_bundle(folder: Path) -> Bundle:
    """Return a bundle after checking its version and every file's size and sha256.

    Raises BundleError that names the file which is missing or damaged.
    """
    manifest = _read_manifest(folder / MARKER)
    for name, expected in manifest.files.items():
        _verify(folder / name, expected)
    needed = {SPECIES, *(entry.file for entry in manifest.models.values())}
    needed |= {manifest.prior.file} if manifest.prior else set()
    unlisted = sorted(needed - set(manifest.files))
    if unlisted:
        raise BundleError(f"{folder / MARKER} has no checksum for {unlisted}. {_AGAIN}")
    try:
        species = SpeciesFile.model_validate_json((folder / SPECIES).read_bytes()).species
    except ValidationError as error:
        raise BundleError(f"{folder / SPECIES} is not as this version writes it: {error}. {_AGAIN}") from error
    if len(species) != manifest.output.shape[1]:
        raise BundleError(
            f"{folder / SPECIES} has {len(species)} species, the models have {manifest.output.shape[1]} classes. "
            f"{_AGAIN}"
        )
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
