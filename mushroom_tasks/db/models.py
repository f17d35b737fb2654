"""The tables, named as iNaturalist's open data names them, the history of loads, and what people review.

taxa, observations, photos, observers and withdrawn_photos are replaced as one by each load; what they held before stays
in a schema of its own until the next load (see `inat.refresh.history`). A migration that alters one of them has to
drop that schema, for a rollback brings its tables back as they are.

Whole numbers are as wide as in upstream's structure.sql, which saves a sixth of the disk; but photo_id has 64 bits, for
it will be the first to need them.

There are no foreign keys: upstream's rows point to taxa and observations that are gone (about 400,000
observations name a missing taxon), and a load replaces whole tables. Queries join, and so leave orphans out.

    with Session(engine) as session:
        session.get(Taxon, 48715).name
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, REAL, BigInteger, DateTime, Index, Integer, MetaData, SmallInteger, func, text
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
    type_annotation_map = {int: BigInteger, dict[str, Any]: JSONB(none_as_null=True), datetime: DateTime(timezone=True)}  # noqa: RUF012


class Taxon(Base):
    """A taxon: the wanted ones and their ancestors."""

    __tablename__ = "taxa"

    taxon_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    ancestry: Mapped[str]  # ids from the root down, joined by "/", itself left out; empty for the root
    rank_level: Mapped[float | None]  # 70 kingdom ... 10 species, 5 variety; halves exist (33.5 parvorder)
    rank: Mapped[str]
    name: Mapped[str]
    active: Mapped[bool]


class Observation(Base):
    """An observation of a wanted taxon."""

    __tablename__ = "observations"

    observation_uuid: Mapped[UUID] = mapped_column(primary_key=True)
    observer_id: Mapped[int] = mapped_column(Integer)
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    positional_accuracy: Mapped[int | None] = mapped_column(Integer)  # metres
    taxon_id: Mapped[int] = mapped_column(Integer)
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
    observer_id: Mapped[int] = mapped_column(Integer)
    extension: Mapped[str]
    license: Mapped[str]
    width: Mapped[int | None] = mapped_column(SmallInteger)  # pixels of the original
    height: Mapped[int | None] = mapped_column(SmallInteger)
    position: Mapped[int | None] = mapped_column(SmallInteger)  # order within the observation, from 0

    __table_args__ = (Index(None, "observation_uuid"),)


class Observer(Base):
    """Who observed; the name goes into attributions."""

    __tablename__ = "observers"

    observer_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    login: Mapped[str | None]
    name: Mapped[str | None]


class WithdrawnPhoto(Base):
    """A photo that an earlier load had and that is on no observation any more; one that comes back has no row."""

    __tablename__ = "withdrawn_photos"

    photo_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    extension: Mapped[str] = mapped_column(primary_key=True)
    snapshot_id: Mapped[int]  # the load that missed it


class Snapshot(Base):
    """One change of what the other tables hold; the row with the largest id says what that is now.

    A load replaces what the row before it describes. A rollback brings back what the row before the last load
    describes: its row repeats that one, with the other kind.
    """

    __tablename__ = "snapshots"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(server_default="load")  # "load" or "rollback"
    fingerprint: Mapped[str]  # of the four files' content
    source: Mapped[str]  # address or folder it came from
    validators: Mapped[dict[str, Any]]  # per file: etag, last_modified, size, ... as the source gave them
    root_taxa: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    counts: Mapped[dict[str, Any]]  # per table: rows read, kept, malformed, duplicates
    findings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))  # among the kept rows
    changes: Mapped[dict[str, Any] | None]  # see inat.refresh.changes.Changes; null where nothing could be compared
    loaded_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SpeciesChange(Base):
    """How one load changed the photos of one species; species without a change have no row."""

    __tablename__ = "species_changes"

    snapshot_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    taxon_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    scientific_name: Mapped[str]
    photos_before: Mapped[int]
    photos_after: Mapped[int]
    added: Mapped[int]  # photos that no observation had
    removed: Mapped[int]  # photos that no observation has any more
    moved_in: Mapped[int]  # photos that counted for another species, or for none
    moved_out: Mapped[int]
    changed: Mapped[int]  # photos of the same species with another licence, grade, place, date, ...
    relicensed: Mapped[int]  # of those changed
    regraded: Mapped[int]  # of those changed


class ReviewSet(Base):
    """A pruned data set that people review; only the newest few are kept (`review.keep_sets`)."""

    __tablename__ = "review_sets"

    id: Mapped[int] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]  # of the pruned manifest
    origin: Mapped[str]  # where its photos come from
    conf: Mapped[dict[str, Any] | None]  # dataset_build's parameters that make it again; null where it cannot
    counts: Mapped[dict[str, Any]]  # photos, pruned, doubtful, by reason and by doubt
    queued_at: Mapped[datetime]

    __table_args__ = (Index(None, "fingerprint", unique=True),)


class ReviewSpecies(Base):
    """One species of a review set, and how far its review has come."""

    __tablename__ = "review_species"

    set_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(
        Integer, primary_key=True, autoincrement=False
    )  # in the order of names, from 0
    taxon_id: Mapped[int]
    scientific_name: Mapped[str]
    photos: Mapped[int] = mapped_column(Integer)
    pruned: Mapped[int] = mapped_column(Integer)  # by the rules
    doubtful: Mapped[int] = mapped_column(Integer)  # not pruned, and a person should look
    waiting: Mapped[int] = mapped_column(Integer)  # of the pruned and doubtful, those without a verdict
    decided: Mapped[int] = mapped_column(Integer)  # of all photos, those with a verdict

    __table_args__ = (Index(None, "set_id", "taxon_id", unique=True),)


class ReviewItem(Base):
    """One photo of a review set: what the rules found, what the page shows of it, and the verdict in force.

    `rank` is the place of the photo in the order of the page: by species, then what is pruned, doubtful and kept. The
    verdict repeats the last row of `review_decisions` for the photo under this species, so that every filter of the
    page is a column of an index.
    """

    __tablename__ = "review_items"

    set_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    rank: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    photo_id: Mapped[int]
    taxon_id: Mapped[int]
    observation_uuid: Mapped[str]
    observer_id: Mapped[int]
    login: Mapped[str | None]
    observer_name: Mapped[str | None]
    license: Mapped[str]
    split: Mapped[str]
    path: Mapped[str]  # in the store
    sha256: Mapped[str]
    cluster_label: Mapped[int] = mapped_column(Integer)
    is_outlier: Mapped[bool]  # by the rules
    reason: Mapped[str]
    outlier_score: Mapped[float] = mapped_column(REAL)
    doubt: Mapped[str | None]
    label_score: Mapped[float | None] = mapped_column(REAL)
    suggested_taxon_id: Mapped[int | None]
    duplicate_of: Mapped[int | None]
    quality_issue: Mapped[str | None]
    verdict: Mapped[str | None]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]

    __table_args__ = (
        Index(None, "photo_id", "taxon_id"),
        Index(None, "set_id", "taxon_id", "rank"),
        Index(None, "set_id", "reason", "rank"),
        Index(None, "set_id", "observer_id", "rank"),
        Index("ix_review_items_doubt", "set_id", "doubt", "rank", postgresql_where=text("doubt IS NOT NULL")),
        Index("ix_review_items_flagged", "set_id", "rank", postgresql_where=text("is_outlier OR doubt IS NOT NULL")),
        Index(
            "ix_review_items_waiting",
            "set_id",
            "rank",
            postgresql_where=text("verdict IS NULL AND (is_outlier OR doubt IS NOT NULL)"),
        ),
        Index(
            "ix_review_items_quality_issue",
            "set_id",
            "quality_issue",
            "rank",
            postgresql_where=text("quality_issue IS NOT NULL"),
        ),
        Index("ix_review_items_decided", "set_id", "rank", postgresql_where=text("verdict IS NOT NULL")),
        Index("ix_review_items_verdict", "set_id", "verdict", "rank", postgresql_where=text("verdict IS NOT NULL")),
    )


class ReviewDecision(Base):
    """The log of what people decided, never changed: of the rows of a photo and a species the last one is in force.

    Keyed by the photo and the species it was shown as, so that decisions outlive loads, rollbacks and review sets, and
    lapse where iNaturalist names another species.
    """

    __tablename__ = "review_decisions"

    id: Mapped[int] = mapped_column(primary_key=True)
    photo_id: Mapped[int]
    taxon_id: Mapped[int]
    verdict: Mapped[str | None]  # a code of curation.reasons.VERDICTS; null: there is none any more
    decided_by: Mapped[str]  # user name
    decided_at: Mapped[datetime]
    batch: Mapped[UUID]  # decided at one stroke
    undoes: Mapped[UUID | None]  # the batch that this row takes back

    __table_args__ = (Index(None, "photo_id", "taxon_id", "id"), Index(None, "batch"))
