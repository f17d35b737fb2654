"""What species.json says of each class beyond its name: common names, look-alikes, warnings, credited photos.

    described = describe_species(species, rows, confusion, read_common_names(Path("names.csv")))
    described[0]["look_alikes"][0]["scientific_name"]

iNaturalist's open data hold scientific names only. Common names come from a CSV with the columns scientific_name,
common_name and language; several rows of one species and language are taken in the order of the file. iNaturalist's own
are in its DarwinCore archive (https://www.inaturalist.org/taxa/inaturalist-taxonomy.dwca.zip, `VernacularNames-*.csv`,
whose `id` is that of the taxon in `taxa.csv` beside it).
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mushroom_tasks.curation.dataset.attribution import license_of, photo_url, photographer
from mushroom_tasks.errors import SettingsError
from mushroom_tasks.escaping import plain
from mushroom_tasks.identifiers import is_own
from mushroom_tasks.storage import sha256_file
from mushroom_tasks.toxicity import toxicity_of

PHOTO_COLUMNS = [
    "photo_id",
    "scientific_name",
    "observer_id",
    "observer_name",
    "login",
    "license",
    "is_outlier",
    "outlier_score",
]
CommonNames = Mapping[str, Mapping[str, Sequence[str]]]  # by scientific name, then by language
_NAME_COLUMNS = {"scientific_name", "common_name", "language"}
_MOST_NAMES = 5  # per language
_MOST_ALIKE = 3
_MOST_PHOTOS = 3
_NEAR_RANKS = ("genus", "family")  # relatives that are named as look-alikes without having been confused


def describe_species(
    species: Sequence[Mapping[str, Any]], rows: pa.Table, confusion: NDArray[np.integer], names: CommonNames
) -> list[dict[str, Any]]:
    """Return the classes with all that is known of them, as `mobile.schema.Species` has it.

    Parameters
    ----------
    species
        In the order of the model's output: taxon_id, scientific_name, rank, taxonomy.
    rows
        Photos of the data set, with PHOTO_COLUMNS.
    confusion
        Photos of held-out observers, a row per true and a column per predicted class, (C, C).
    """
    photos = _typical_photos(rows)
    alike = _look_alikes(species, confusion)
    return [
        {
            **entry,
            "common_names": names.get(str(entry["scientific_name"]), {}),
            "look_alikes": alike[index],
            "warning": _warning(str(entry["scientific_name"])),
            "photos": photos.get(str(entry["scientific_name"]), []),
        }
        for index, entry in enumerate(species)
    ]


def read_common_names(path: Path) -> dict[str, dict[str, list[str]]]:
    """Return the names in a CSV, by scientific name and language.

    Raises SettingsError where the file is missing, is no text, or lacks a column.
    """
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if missing := sorted(_NAME_COLUMNS - set(reader.fieldnames or ())):
                raise SettingsError(
                    f"export.common_names: {path} lacks the columns {missing}. Received: {reader.fieldnames}"
                )
            for row in reader:
                language, name = plain(row["language"] or ""), plain(row["common_name"] or "")
                listed = found[plain(row["scientific_name"] or "")][language]
                if language and name and name not in listed and len(listed) < _MOST_NAMES:
                    listed.append(name)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"export.common_names: {path} cannot be read: {error}. Give a CSV in UTF-8.") from error
    return {
        species: {language: listed for language, listed in languages.items() if listed}
        for species, languages in found.items()
    }


def names_fingerprint(path: str) -> str | None:
    """Return the sha256 of a CSV of common names, whatever it is called; None for no path.

    Raises SettingsError where the file is missing.
    """
    if not path:
        return None
    try:
        return sha256_file(Path(path))
    except OSError as error:
        raise SettingsError(f"export.common_names: {path} cannot be read: {error}. Give a CSV in UTF-8.") from error


def _warning(scientific_name: str) -> dict[str, Any] | None:
    found = toxicity_of(scientific_name)
    if found is None:
        return None
    return {
        "level": found.warning,
        "of": found.scientific_name,
        "toxin": found.toxin,
        "syndrome": found.syndrome,
        "sources": found.sources,
    }


def _look_alikes(species: Sequence[Mapping[str, Any]], confusion: NDArray[np.integer]) -> list[list[dict[str, Any]]]:
    """Return per class those that were confused with it most, then near relatives."""
    both = confusion + confusion.T
    lines = [[(step["rank"], step["taxon_id"]) for step in entry["taxonomy"]] for entry in species]
    return [list(_alike(index, species, both[index], lines)) for index in range(len(species))]


def _alike(
    index: int,
    species: Sequence[Mapping[str, Any]],
    photos: NDArray[np.integer],
    lines: Sequence[Sequence[tuple[str, int]]],
) -> Iterator[dict[str, Any]]:
    shared = [_shared_rank(lines[index], line) for line in lines]
    others = [other for other in range(len(species)) if other != index]
    confused = [other for other in others if photos[other] > 0]
    related = [other for other in others if photos[other] == 0 and shared[other] in _NEAR_RANKS]
    ordered = [
        *sorted(confused, key=lambda other: -int(photos[other])),
        *sorted(related, key=lambda other: _NEAR_RANKS.index(shared[other])),
    ]
    for other in ordered[:_MOST_ALIKE]:
        yield {
            "index": other,
            "scientific_name": species[other]["scientific_name"],
            "photos": int(photos[other]),
            "shares": shared[other],
        }


def _shared_rank(one: Sequence[tuple[str, int]], other: Sequence[tuple[str, int]]) -> str:
    """Return the lowest rank whose taxon both have; nothing where they share none."""
    of_other = set(other)
    return next((rank for rank, taxon_id in reversed(one) if (rank, taxon_id) in of_other), "")


def _typical_photos(rows: pa.Table) -> dict[str, list[dict[str, str]]]:
    """Return links to the kept photos least unlike the others of their species, each by another observer."""
    kept = rows.filter(pc.invert(rows["is_outlier"]))
    ordered = kept.sort_by([("outlier_score", "ascending"), ("photo_id", "ascending")]).select(PHOTO_COLUMNS)
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    taken: set[tuple[str, int]] = set()
    for batch in ordered.to_batches(max_chunksize=8192):
        for row in batch.to_pylist():
            name, by = str(row["scientific_name"]), (str(row["scientific_name"]), int(row["observer_id"]))
            if is_own(row["photo_id"]) or len(found[name]) == _MOST_PHOTOS or by in taken:
                continue
            taken.add(by)
            found[name].append(_link(row))
    return found


def _link(row: Mapping[str, Any]) -> dict[str, str]:
    licence = license_of(row["license"])
    return {
        "page": photo_url(row["photo_id"]),
        "photographer": plain(photographer(row["observer_name"], row["login"])),
        "license": licence.short,
        "license_url": licence.url,
    }
