"""The four metadata files as iNaturalist publishes them: their columns, and what an empty value means.

    TABLES["photos"].columns[0].name        # "photo_uuid"

Source: https://github.com/inaturalist/inaturalist-open-data/tree/main/Metadata
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

Empty = Literal["refused", "null", "kept"]


@dataclass(frozen=True)
class Column:
    """A column: its name upstream and in PostgreSQL, its type, and what an empty value means."""

    name: str
    type: pa.DataType
    empty: Empty = "refused"
    is_id: bool = False  # never negative
    pattern: str | None = None  # regular expression (RE2) that its text has to match
    is_optional: bool = False  # a file without the column is accepted


@dataclass(frozen=True)
class Table:
    """A file, its columns, and the columns that make a row unique."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def file(self) -> str:
        """Name of the file in the bucket."""
        return f"{self.name}.csv.gz"

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return [column.name for column in self.columns]

    def column(self, name: str) -> Column:
        """Return the column of that name."""
        return self.columns[self.names.index(name)]


_FLOAT, _TEXT = pa.float64(), pa.string()
_UUID = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
_IDS = r"^([0-9]{1,10}(/[0-9]{1,10})*)?$"
_SMALL, _INT = pa.int16(), pa.int32()  # as in upstream's structure.sql

TAXA = Table(
    "taxa",
    (
        Column("taxon_id", _INT, is_id=True),
        Column("ancestry", _TEXT, "kept", pattern=_IDS),  # empty for the root of life
        Column("rank_level", _FLOAT, "null"),
        Column("rank", _TEXT),
        Column("name", _TEXT),
        Column("active", pa.bool_()),
    ),
    key=("taxon_id",),
)
OBSERVATIONS = Table(
    "observations",
    (
        Column("observation_uuid", _TEXT, pattern=_UUID),
        Column("observer_id", _INT, is_id=True),
        Column("latitude", _FLOAT, "null"),
        Column("longitude", _FLOAT, "null"),
        Column("positional_accuracy", _INT, "null"),
        Column("taxon_id", _INT, "null", is_id=True),  # not identified yet; such rows are never kept
        Column("quality_grade", _TEXT),
        Column("observed_on", pa.date32(), "null"),
        Column("anomaly_score", _FLOAT, "null", is_optional=True),  # archives of 2023 and before lack it
    ),
    key=("observation_uuid",),
)
PHOTOS = Table(
    "photos",
    (
        Column("photo_uuid", _TEXT, pattern=_UUID),
        Column("photo_id", pa.int64(), is_id=True),
        Column("observation_uuid", _TEXT, pattern=_UUID),
        Column("observer_id", _INT, is_id=True),
        Column("extension", _TEXT),
        Column("license", _TEXT),
        Column("width", _SMALL, "null"),
        Column("height", _SMALL, "null"),
        Column("position", _SMALL, "null"),
    ),
    key=("photo_id", "observation_uuid"),
)
OBSERVERS = Table(
    "observers",
    (
        Column("observer_id", _INT, is_id=True),
        Column("login", _TEXT, "null"),
        Column("name", _TEXT, "null"),
    ),
    key=("observer_id",),
)

TABLES = {table.name: table for table in (TAXA, OBSERVATIONS, PHOTOS, OBSERVERS)}
FILES = tuple(table.file for table in TABLES.values())
