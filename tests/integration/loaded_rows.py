"""Rows of the loaded tables, written by tests that need no files: taxa, observations with photos, and one load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from small_bucket import ROOTS, uuid_of
from sqlalchemy import Engine, insert

from mushroom_tasks.db.models import Observation, Observer, Photo, Snapshot, Taxon

TAXA = [
    (1, "", 100, "stateofmatter", "Life", True),
    (10, "1", 70, "kingdom", "Fungi", True),
    (20, "1/10", 20, "genus", "Amanita", True),
    (21, "1/10/20", 10, "species", "Amanita muscaria", True),
    (22, "1/10/20/21", 5, "variety", "Amanita muscaria guessowii", True),
    (26, "1/10/20", 10, "species", "Amanita virosa", False),
    (31, "1/10/20", 10, "species", "Amanita virosa", True),
    (40, "1/10", 20, "genus", "Boletus", True),
    (41, "1/10/40", 10, "species", "Boletus edulis", True),
    (42, "1/10/40", 10, "species", "Boletus reticulatus", True),
]


@dataclass
class Rows:
    """Rows of all tables; `write` puts them into an empty, migrated database."""

    observations: list[dict[str, Any]] = field(default_factory=list)
    photos: list[dict[str, Any]] = field(default_factory=list)

    def observe(self, taxon_id: int, photo_ids: Sequence[int], observer_id: int = 1, **columns: Any) -> None:
        """Add an observation with its photos; `columns` are those of the observation that matter, or `license`."""
        number = len(self.observations)
        license_ = columns.pop("license", "CC-BY")
        standard = {"latitude": 55.7, "longitude": 12.5, "observed_on": date(2024, 9, 1), "anomaly_score": 1.5}
        self.observations.append(
            {
                **standard,
                "observation_uuid": uuid_of("observation", number),
                "observer_id": observer_id,
                "taxon_id": taxon_id,
                "quality_grade": "research",
                **columns,
            }
        )
        for position, photo_id in enumerate(photo_ids):
            self.photos.append(
                {
                    "photo_uuid": uuid_of("photo", photo_id),
                    "photo_id": photo_id,
                    "observation_uuid": self.observations[-1]["observation_uuid"],
                    "observer_id": observer_id,
                    "extension": "jpg",
                    "license": license_,
                    "position": position,
                }
            )

    def write(self, engine: Engine, fingerprint: str = "first") -> Engine:
        """Replace what the tables hold by these rows, as a load of that snapshot."""
        names = [column.name for column in Taxon.__table__.columns]
        observers = {row["observer_id"] for row in self.observations}
        with engine.begin() as connection:
            for table in (Taxon, Observation, Photo, Observer):
                connection.execute(table.__table__.delete())
            connection.execute(insert(Taxon), [dict(zip(names, row, strict=True)) for row in TAXA])
            connection.execute(insert(Observation), self.observations)
            connection.execute(insert(Photo), self.photos)
            connection.execute(insert(Observer), [{"observer_id": i, "login": f"user{i}"} for i in sorted(observers)])
            connection.execute(
                insert(Snapshot).values(
                    fingerprint=fingerprint, source="here", validators={}, root_taxa=list(ROOTS), counts={}
                )
            )
        return engine
