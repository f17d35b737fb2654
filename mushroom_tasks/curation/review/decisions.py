"""Read the log: the decisions in force, the history of one photo, and what was decided lately.

table = decisions(engine)                    # schema DECISIONS
history(engine, 128036)[0].decided_by
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from mushroom_tasks.curation.review.statements import query
from mushroom_tasks.db.copying import copy_out
from mushroom_tasks.db.engine import explained
from mushroom_tasks.db.models import ReviewDecision, ReviewSpecies

DECISIONS = pa.schema(
    [
        pa.field("photo_id", pa.int64(), nullable=False),
        pa.field("taxon_id", pa.int64(), nullable=False),  # the species that the photo was shown as
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("decided_by", pa.string(), nullable=False),
        pa.field("decided_at", pa.timestamp("us", "UTC"), nullable=False),
    ]
)


@dataclass(frozen=True)
class LogEntry:
    """One row of the log; `scientific_name` is None where no review set has the species any more."""

    decision: ReviewDecision
    scientific_name: str | None


def decisions(engine: Engine) -> pa.Table:
    """Return the decisions in force, schema `DECISIONS`, sorted by photo and species."""
    with explained(engine), engine.connect() as connection:
        return copy_out(connection, query("in_force"), DECISIONS)


def history(engine: Engine, photo_id: int) -> list[ReviewDecision]:
    """Return all that was ever decided on a photo, the newest first."""
    chosen = select(ReviewDecision).where(ReviewDecision.photo_id == photo_id).order_by(ReviewDecision.id.desc())
    with explained(engine), Session(engine, expire_on_commit=False) as session:
        return list(session.scalars(chosen))


def log(engine: Engine, *, before: int | None = None, limit: int = 100) -> list[LogEntry]:
    """Return the newest rows of the log, those with an id below `before` where it is given, the newest first.

    Rows of one batch follow each other.
    """
    named = (
        select(ReviewSpecies.scientific_name)
        .where(ReviewSpecies.taxon_id == ReviewDecision.taxon_id)
        .order_by(ReviewSpecies.set_id.desc())
        .limit(1)
        .scalar_subquery()
    )
    chosen = select(ReviewDecision, named).order_by(ReviewDecision.id.desc()).limit(limit)
    if before is not None:
        chosen = chosen.where(ReviewDecision.id < before)
    with explained(engine), Session(engine, expire_on_commit=False) as session:
        return [LogEntry(decision, name) for decision, name in session.execute(chosen)]
