"""The review sets, the species in them, and how far their review has come.

newest = sets(engine)[0]
page = species(engine, newest.fingerprint, waiting_only=True)
page = species(engine, newest.fingerprint, waiting_only=True, after=page.next_cursor)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from sqlalchemy import Connection, Engine, Row, Select, func, select

from mushroom_tasks.db.engine import explained
from mushroom_tasks.db.models import ReviewSet as Sets
from mushroom_tasks.db.models import ReviewSpecies as SpeciesOfSets
from mushroom_tasks.errors import CurationError


@dataclass(frozen=True)
class ReviewSet:
    """A pruned data set that people review.

    Attributes
    ----------
    id, fingerprint
        The number in the tables, and the pruned manifest.
    queued_at
        When it was put before people last.
    origin, conf
        Where the photos come from; the parameters of `dataset_build` that make the data set again, None where that DAG
        cannot (photos of another source).
    photos, pruned, doubtful
        As the rules have it: all photos, those pruned, and those kept that a person should look at.
    waiting, decided
        Of the pruned and doubtful, those without a verdict; of all photos, those with one.
    reasons, doubts
        Photos by code of `curation.reasons`.
    """

    id: int
    fingerprint: str
    queued_at: datetime
    origin: str
    conf: dict[str, Any] | None
    photos: int
    pruned: int
    doubtful: int
    waiting: int
    decided: int
    reasons: dict[str, int]
    doubts: dict[str, int]


@dataclass(frozen=True)
class Species:
    """One species of a review set; the counts mean what they mean for the set."""

    position: int
    taxon_id: int
    scientific_name: str
    photos: int
    pruned: int
    doubtful: int
    waiting: int
    decided: int


@dataclass(frozen=True)
class SpeciesPage:
    """Some species in the order of their names; `next_cursor` is where the next page starts, None on the last one."""

    species: list[Species]
    next_cursor: int | None


def sets(engine: Engine) -> list[ReviewSet]:
    """Return the review sets there are, the newest first."""
    with explained(engine), engine.connect() as connection:
        return [_set(row) for row in connection.execute(_sets().order_by(Sets.queued_at.desc(), Sets.id.desc()))]


def find_set(engine: Engine, fingerprint: str) -> ReviewSet:
    """Return a review set; CurationError, naming those there are, where it is missing."""
    with explained(engine), engine.connect() as connection:
        row = connection.execute(_sets().where(Sets.fingerprint == fingerprint)).first()
        return _set(row) if row is not None else _refuse(connection, fingerprint)


def set_number(connection: Connection, fingerprint: str) -> int:
    """Return a set's number in the tables; CurationError, naming those there are, where it is missing."""
    number = connection.scalar(select(Sets.id).where(Sets.fingerprint == fingerprint))
    return int(number) if number is not None else _refuse(connection, fingerprint)


def species(
    engine: Engine,
    fingerprint: str,
    *,
    search: str = "",
    waiting_only: bool = False,
    after: int | None = None,
    limit: int = 100,
) -> SpeciesPage:
    """Return a page of the species of a set, by name.

    `search` leaves those whose name contains the text, in any case; `waiting_only` those that have photos without a
    verdict; `after` starts behind the page whose `next_cursor` it is. CurationError where there is no such set.
    """
    table = SpeciesOfSets
    columns = [getattr(table, name) for name in Species.__dataclass_fields__]
    with explained(engine), engine.connect() as connection:
        chosen = select(*columns).where(table.set_id == set_number(connection, fingerprint))
        if after is not None:
            chosen = chosen.where(table.position > after)
        if waiting_only:
            chosen = chosen.where(table.waiting > 0)
        if search.strip():
            chosen = chosen.where(table.scientific_name.icontains(search.strip(), autoescape=True))
        rows = connection.execute(chosen.order_by(table.position).limit(limit + 1)).all()
    found = [Species(*row) for row in rows[:limit]]
    return SpeciesPage(found, found[-1].position if len(rows) > limit else None)


def species_names(engine: Engine) -> dict[int, str]:
    """Return the scientific names of the species of all sets, by taxon_id."""
    named = select(SpeciesOfSets.taxon_id, func.min(SpeciesOfSets.scientific_name)).group_by(SpeciesOfSets.taxon_id)
    with explained(engine), engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(named)}


def _sets() -> Select[Sets, int, int]:
    waiting = func.coalesce(func.sum(SpeciesOfSets.waiting), 0).label("waiting")
    decided = func.coalesce(func.sum(SpeciesOfSets.decided), 0).label("decided")
    joined = select(Sets, waiting, decided).outerjoin(SpeciesOfSets, SpeciesOfSets.set_id == Sets.id)
    return joined.group_by(Sets.id)


def _set(row: Row[Sets, int, int]) -> ReviewSet:
    return ReviewSet(
        id=row.id,
        fingerprint=row.fingerprint,
        queued_at=row.queued_at,
        origin=row.origin,
        conf=row.conf,
        waiting=int(row.waiting),
        decided=int(row.decided),
        **row.counts,
    )


def _refuse(connection: Connection, fingerprint: str) -> NoReturn:
    known = ", ".join(connection.scalars(select(Sets.fingerprint).order_by(Sets.queued_at.desc()))) or "none"
    raise CurationError(
        f"there is no such review set. Received: {fingerprint!r}, there: {known}. The newest few are kept "
        "(review.keep_sets)."
    )
