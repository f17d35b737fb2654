"""Metadata files in iNaturalist's layout, a few rows each, written by the tests that need them."""

from __future__ import annotations

import gzip
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT, ROOTS = 10, (10,)
SPECIES = (21, 31, 41)
VARIETY, HYBRID, GENUS, INACTIVE, MISSING, OUTSIDE = 22, 24, 20, 26, 999, 101

_TAXA = [
    (1, "", 100, "stateofmatter", "Life", "true"),
    (10, "1", 70, "kingdom", "Fungi", "true"),
    (20, "1/10", 20, "genus", "Amanita", "true"),
    (21, "1/10/20", 10, "species", "Amanita muscaria", "true"),
    (22, "1/10/20/21", 5, "variety", 'Amanita muscaria var. "guessowii"', "true"),
    (24, "1/10/20", 10, "hybrid", "Amanita mixta", "true"),
    (26, "1/10/20", 10, "species", "Amanita old", "false"),
    (31, "1/10/20", 10, "species", "Amanita virosa", "true"),
    (41, "1/10/20", 10, "species", "Amanita vaginata", "true"),
    (100, "1", 70, "kingdom", "Plantae", "true"),
    (101, "1/100", 10, "species", "Planta", "true"),
]
_HEADERS = {
    "taxa": "taxon_id ancestry rank_level rank name active",
    "observations": "observation_uuid observer_id latitude longitude positional_accuracy taxon_id quality_grade "
    "observed_on anomaly_score",
    "photos": "photo_uuid photo_id observation_uuid observer_id extension license width height position",
    "observers": "observer_id login name",
}


def uuid_of(kind: str, number: int) -> str:
    """Return the same uuid for the same number, always."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind}{number}"))


@dataclass
class SmallBucket:
    """Rows of the four tables; `write` makes the files."""

    taxa: list[tuple[object, ...]] = field(default_factory=lambda: list(_TAXA))
    observations: list[tuple[object, ...]] = field(default_factory=list)
    photos: list[tuple[object, ...]] = field(default_factory=list)
    observers: list[tuple[object, ...]] = field(default_factory=list)

    def observe(
        self,
        number: int,
        taxon_id: object,
        observer_id: int,
        photo_ids: Sequence[int],
        *,
        grade: str = "research",
        licence: str = "CC-BY",
    ) -> None:
        """Add an observation with its photos, and its observer where he is new."""
        observation = uuid_of("observation", number)
        self.observations.append((observation, observer_id, 55.1, 12.2, 10, taxon_id, grade, "2024-09-01", 0.5))
        for position, photo_id in enumerate(photo_ids):
            self.photos.append(
                (uuid_of("photo", photo_id), photo_id, observation, observer_id, "jpg", licence, 800, 600, position)
            )
        if all(row[0] != observer_id for row in self.observers):
            self.observers.append((observer_id, f"user{observer_id}", f'O\'Brien "{observer_id}"'))

    def write(self, folder: Path) -> Path:
        """Write the four files and return the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, header in _HEADERS.items():
            write_table(folder / f"{name}.csv.gz", header.split(), getattr(self, name))
        return folder


def write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write one file: tab-separated, gzip, the same bytes for the same rows."""
    lines = ["\t".join(header), *("\t".join(str(value) for value in row) for row in rows)]
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0))


def ordinary() -> SmallBucket:
    """Return three species with 12, 10 and 8 photos of several observers, and some of what is never selected."""
    bucket = SmallBucket()
    number = photo = 0
    for species, count in zip(SPECIES, (12, 10, 8), strict=True):
        for nth in range(count):
            number, photo = number + 1, photo + 1
            bucket.observe(number, species, 1 + nth % 7, [photo])
    for taxon_id in (HYBRID, GENUS, INACTIVE, MISSING, OUTSIDE, ""):
        number, photo = number + 1, photo + 1
        bucket.observe(number, taxon_id, 8, [photo])
    return bucket
