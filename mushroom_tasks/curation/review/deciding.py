"""Decide, and take back: both append to the log, and repeat the outcome in the review sets.

done = decide(engine, [(128036, 48715)], "wrong_species", "ann")
undo(engine, done.batch, "bob")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, exists, select

from mushroom_tasks.curation.reasons import VERDICTS
from mushroom_tasks.curation.review.statements import statement, wait_for_turn
from mushroom_tasks.db.engine import explained
from mushroom_tasks.db.models import ReviewDecision
from mushroom_tasks.errors import CurationError
from mushroom_tasks.escaping import plain

_NAMED = 10  # photos that an error names
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Batch:
    """What was written at one stroke: its id, for `undo`, and the number of photos."""

    batch: UUID
    photos: int


def decide(engine: Engine, photos: Sequence[tuple[int, int]], verdict: str, by: str) -> Batch:
    """Append one verdict for photos, each given as `(photo_id, taxon_id)`: the photo, and the species it is shown as.

    Raises CurationError where the verdict is none of `VERDICTS`, nobody decides, or no review set shows one of the
    photos under that species; nothing is written then.
    """
    if verdict not in VERDICTS:
        raise CurationError(f"a verdict is one of {list(VERDICTS)}. Received: {verdict!r}")
    chosen = list(dict.fromkeys(photos))
    if not chosen:
        raise CurationError("there is nothing to decide: no photos were given.")
    rows: dict[str, list[Any]] = {
        "photo_ids": [photo_id for photo_id, _ in chosen],
        "taxon_ids": [taxon_id for _, taxon_id in chosen],
        "verdicts": [verdict] * len(chosen),
        "decided_by": [user_name(by)] * len(chosen),
        "decided_at": [None] * len(chosen),
    }
    with explained(engine), engine.begin() as connection:
        wait_for_turn(connection)
        unknown = unknown_photos(connection, chosen)
        if unknown:
            named = ", ".join(f"{photo_id} (taxon {taxon_id})" for photo_id, taxon_id in unknown[:_NAMED])
            raise CurationError(
                f"{len(unknown)} of {len(chosen)} photos are in no review set under that species: {named}. They may "
                "have been identified anew: load the page again."
            )
        return append(connection, rows)


def undo(engine: Engine, batch: UUID, by: str) -> Batch:
    """Take a batch back: append, for each of its photos, the verdict that was in force before.

    Photos that were decided again since are left alone, so the batch that is returned may have fewer photos, or none.
    An undo can be undone. Raises CurationError where there is no such batch.
    """
    undoing = uuid4()
    values = {"undone": batch, "batch": undoing, "decided_by": user_name(by)}
    with explained(engine), engine.begin() as connection:
        wait_for_turn(connection)
        if not connection.scalar(select(exists().where(ReviewDecision.batch == batch))):
            raise CurationError(f"there is no such batch of decisions. Received: {batch}")
        photos = connection.execute(statement("undo"), values).rowcount
        enforce(connection, undoing)
    return Batch(undoing, photos)


def append(connection: Connection, rows: Mapping[str, Sequence[Any]]) -> Batch:
    """Write decisions, one list per column of decide.sql, as one batch; the caller has waited for its turn."""
    batch = uuid4()
    photos = connection.execute(statement("decide"), {**rows, "batch": batch}).rowcount
    enforce(connection, batch)
    return Batch(batch, photos)


def enforce(connection: Connection, batch: UUID) -> None:
    """Repeat a batch in the review sets: the verdicts of its photos, and the progress of their species."""
    connection.execute(statement("enforce"), {"batch": batch})
    connection.execute(statement("recount"), {"batch": batch})


def unknown_photos(connection: Connection, photos: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return those of the photos that no review set shows under the species."""
    values = {"photo_ids": [photo for photo, _ in photos], "taxon_ids": [taxon for _, taxon in photos]}
    return [(row.photo_id, row.taxon_id) for row in connection.execute(statement("unknown"), values)]


def user_name(by: str) -> str:
    """Return a user name as the log keeps it; CurationError where there is none."""
    name = plain(by)
    if not 0 < len(name) <= _LONGEST_NAME:
        raise CurationError(f"somebody has to decide: a user name of 1 to {_LONGEST_NAME} characters. Received: {by!r}")
    return name
