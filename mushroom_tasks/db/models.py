"""The tables, named as iNaturalist's open data names them, and the history of loads.

There are no foreign keys: upstream's rows point to taxa and observations that are gone (about 400,000
observations name a missing taxon), and a load replaces whole tables. Queries join, and so leave orphans out.

    with Session(engine) as session:
        session.get(Taxon, 48715).name
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, Index, MetaData, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# Names are fixed so that a load can build the same indexes again and migrations can find them.
_NAMES = {
    "pk": "pk_%(table_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}


class Base(DeclarativeBase):
    """Declarative base of all tables."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {int: BigInteger, dict[str, Any]: JSONB, datetime: DateTime(timezone=True)}  # noqa: RUF012


class Taxon(Base):
    """A taxon: the wanted ones and their ancestors."""

    __tablename__ = "taxa"

    taxon_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ancestry: Mapped[str]  # ids from the root down, joined by "/", itself left out; empty for the root
    rank_level: Mapped[float | None]  # 70 kingdom ... 10 species, 5 variety; halves exist (33.5 parvorder)
    rank: Mapped[str]
    name: Mapped[str]
    active: Mapped[bool]


class Observation(Base):
    """An observation of a wanted taxon."""

    __tablename__ = "observations"

    observation_uuid: Mapped[UUID] = mapped_column(primary_key=True)
    observer_id: Mapped[int]
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    positional_accuracy: Mapped[int | None]  # metres
    taxon_id: Mapped[int]
    quality_grade: Mapped[str]
    observed_on: Mapped[date | None]
    anomaly_score: Mapped[float | None]  # iNaturalist's geographic score; nothing to do with our outlier_score

    # Selection finds the observations of a species by taxon, and hashes the rest; it reads most photos anyway.
    __table_args__ = (Index(None, "taxon_id"),)


class Photo(Base):
    """A photo on an observation.

    About 130,000 photo_ids appear twice upstream, as one photo on two observations (with one photo_uuid): only
    both together are a key.
    """

    __tablename__ = "photos"

    photo_uuid: Mapped[UUID]
    photo_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    observation_uuid: Mapped[UUID] = mapped_column(primary_key=True)
    observer_id: Mapped[int]
    extension: Mapped[str]
    license: Mapped[str]
    width: Mapped[int | None]  # pixels of the original
    height: Mapped[int | None]
    position: Mapped[int | None]  # order within the observation, from 0

    __table_args__ = (Index(None, "observation_uuid"),)


class Observer(Base):
    """Who observed; the name goes into attributions."""

    __tablename__ = "observers"

    observer_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    login: Mapped[str | None]
    name: Mapped[str | None]


class Snapshot(Base):
    """One load of a snapshot; the row with the largest id says what the other tables hold now."""

    __tablename__ = "snapshots"

    id: Mapped[int] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]  # of the four files' content
    source: Mapped[str]  # address or folder it came from
    validators: Mapped[dict[str, Any]]  # per file: etag, last_modified, size, ... as the source gave them
    root_taxa: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    counts: Mapped[dict[str, Any]]  # per table: rows read, kept, malformed, duplicates
    loaded_at: Mapped[datetime] = mapped_column(server_default=func.now())
