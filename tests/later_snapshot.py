"""A later snapshot of a bucket: photos added, withdrawn, under another licence, and one moved to another species.

later = publish_later(bucket, ("Amanita muscaria", "Amanita pantherina"))
later.added, later.withdrawn, later.relicensed, later.moved
"""

from __future__ import annotations

import csv
import gzip
import io
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

Row = dict[str, str]


@dataclass(frozen=True)
class Later:
    """Ids of the photos that the later snapshot treats in each way; `moved_to` is a scientific name."""

    added: tuple[int, ...]
    withdrawn: tuple[int, ...]
    relicensed: tuple[int, ...]
    moved: int
    moved_from: str
    moved_to: str


class Bucket:
    """The metadata of a bucket in memory; `write` publishes it over what is there, a file at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tables = {name: _read(folder / f"{name}.csv.gz") for name in ("taxa", "observations", "photos")}

    def taxon_id(self, name: str) -> str:
        return next(row["taxon_id"] for row in self.tables["taxa"] if row["name"] == name and row["rank"] == "species")

    def plain_photos(self, species: str) -> list[Row]:
        """Photos of a species whose file is whole, the only one of their observation, and on no other observation."""
        taxon_id = self.taxon_id(species)
        observations = {
            row["observation_uuid"]
            for row in self.tables["observations"]
            if row["taxon_id"] == taxon_id and row["quality_grade"] == "research"
        }
        photos = self.tables["photos"]
        of_observation = Counter(row["observation_uuid"] for row in photos)
        of_photo = Counter(row["photo_id"] for row in photos)
        return [
            row
            for row in photos
            if row["observation_uuid"] in observations
            and of_observation[row["observation_uuid"]] == of_photo[row["photo_id"]] == 1
            and self._is_whole(row)
        ]

    def file(self, row: Row) -> Path:
        return self.folder / "photos" / row["photo_id"] / f"medium.{row['extension']}"

    def add(self, like: Row, photo_id: int) -> None:
        """Publish a photo of the same species by the same observer: another file on another observation."""
        observation = next(
            row for row in self.tables["observations"] if row["observation_uuid"] == like["observation_uuid"]
        )
        uuids = {name: str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name}{photo_id}")) for name in ("observation", "photo")}
        row = {**like, "photo_id": str(photo_id), "photo_uuid": uuids["photo"], "extension": "jpg"}
        row["observation_uuid"] = uuids["observation"]
        self.tables["observations"].append({**observation, "observation_uuid": uuids["observation"]})
        self.tables["photos"].append(row)
        self.file(row).parent.mkdir()
        with Image.open(self.file(like)) as image:
            ImageOps.mirror(image.convert("RGB")).save(self.file(row), quality=90)

    def write(self) -> None:
        for name, rows in self.tables.items():
            path = self.folder / f"{name}.csv.gz"
            partial = path.with_suffix(".part")
            with gzip.open(partial, "wt", encoding="utf-8", newline="") as file:
                file.write("\t".join(rows[0]) + "\n")
                file.writelines("\t".join(row.values()) + "\n" for row in rows)
            partial.replace(path)

    def _is_whole(self, row: Row) -> bool:
        try:
            with Image.open(io.BytesIO(self.file(row).read_bytes())) as image:
                image.load()
                return image.format == "JPEG"
        except OSError:
            return False


def publish_later(folder: Path, species: tuple[str, str]) -> Later:
    """Publish a later snapshot in the bucket's folder: photos come and go, one moves to the second species."""
    bucket = Bucket(folder)
    first, second = bucket.plain_photos(species[0]), bucket.plain_photos(species[1])
    largest = max(int(row["photo_id"]) for row in bucket.tables["photos"])
    added = (largest + 1, largest + 2)
    for like, photo_id in zip(first, added, strict=False):
        bucket.add(like, photo_id)
    withdrawn, moved = first[2:5], first[5]
    relicensed = [row for row in second if row["license"] != "CC0"][:2]
    for row in relicensed:
        row["license"] = "CC0"
    bucket.tables["photos"] = [row for row in bucket.tables["photos"] if row not in withdrawn]
    for row in bucket.tables["observations"]:
        if row["observation_uuid"] == moved["observation_uuid"]:
            row["taxon_id"] = bucket.taxon_id(species[1])
    bucket.write()
    return Later(
        added=added,
        withdrawn=_ids(withdrawn),
        relicensed=_ids(relicensed),
        moved=int(moved["photo_id"]),
        moved_from=species[0],
        moved_to=species[1],
    )


def publish_irrelevant(folder: Path, species: str) -> None:
    """Publish a snapshot in which one photo differs: its observation, of this species, is regraded."""
    bucket = Bucket(folder)
    uuid_of_one = bucket.plain_photos(species)[0]["observation_uuid"]
    for row in bucket.tables["observations"]:
        if row["observation_uuid"] == uuid_of_one:
            row["quality_grade"] = "casual"
    bucket.write()


def _ids(rows: list[Row]) -> tuple[int, ...]:
    return tuple(sorted(int(row["photo_id"]) for row in rows))


def _read(path: Path) -> list[Row]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
