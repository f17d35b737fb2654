"""What a load changes: photos added, removed, changed and moved to other species, in total and per species.

Computed in SQL (`sql/compare.sql` and what follows it) inside the load's transaction, where the current tables and
the new ones, in schema `incoming`, lie side by side. No row of a photo passes through Python. Only loads of the same
root taxa are compared: with others, photos come and go that iNaturalist publishes as before.

    found = compare(connection, "ab12cd34", root_taxa=(47169, 48250))
    found.totals.added
    per_species(engine, snapshot_id)            # table of schema SPECIES_CHANGES
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pyarrow as pa
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Engine, text

from mushroom_tasks.db.copying import copy_out
from mushroom_tasks.db.engine import explained
from mushroom_tasks.db.sql_files import read_sql
from mushroom_tasks.inat.rollup import read_taxa, write_rollup
from mushroom_tasks.inat.taxonomy import species_of

logger = logging.getLogger(__name__)

MOST_MOVES = 200  # pairs of species that the history keeps; the counts per species are complete
# Hash tables of millions of rows; what does not fit is spilled to disk.
_MEMORY = "SET LOCAL work_mem = '128MB'"

SPECIES_CHANGES = pa.schema(
    [
        pa.field("taxon_id", pa.int64(), nullable=False),
        pa.field("scientific_name", pa.string(), nullable=False),
        *(
            pa.field(name, pa.int64(), nullable=False)
            for name in (
                "photos_before", "photos_after", "added", "removed", "moved_in", "moved_out", "changed", "relicensed",
                "regraded",
            )
        ),
    ]
)  # fmt: skip


class Totals(BaseModel):
    """Photos of a snapshot beside the one before it; each is in one of added, removed, moved and changed, or unchanged.

    Attributes
    ----------
    photos_before, photos_after
        Photos in either, each counted once.
    added, removed
        On an observation now and on none before; the other way round.
    moved
        Counts for other species than before.
    reclassified
        Of those moved: the observation names the taxon that it named, the taxonomy changed around it.
    changed
        Of the same species, with another licence, quality grade, place, date, position, file or observer.
    relicensed, regraded
        Of those changed: with another licence; with another grade of its observation.
    photos_without_species
        Of all these, photos that count for no species: their observations name genera, hybrids or inactive taxa.
    species, species_gained, species_lost
        Species with a change; of those, species without a photo before; without one now.
    observers_renamed
        Observers whose name or login changed, and with it the credit lines of their photos.
    """

    model_config = ConfigDict(frozen=True)

    photos_before: int
    photos_after: int
    added: int
    removed: int
    moved: int
    reclassified: int
    changed: int
    relicensed: int
    regraded: int
    photos_without_species: int
    species: int
    species_gained: int
    species_lost: int
    observers_renamed: int


class Move(BaseModel):
    """How many photos moved from one species to another; None stands for no species."""

    model_config = ConfigDict(frozen=True)

    from_taxon_id: int | None
    from_name: str | None
    to_taxon_id: int | None
    to_name: str | None
    photos: int


class Changes(BaseModel):
    """What a load changed beside `since`, the fingerprint of the snapshot before; the largest moves first."""

    model_config = ConfigDict(frozen=True)

    since: str
    totals: Totals
    moves: tuple[Move, ...]


def compare(connection: Connection, since: str, root_taxa: Sequence[int]) -> Changes:
    """Compare the tables of schema `incoming` with the current ones, those of snapshot `since` and the same roots.

    Leaves the temporary tables `compared` (a row per photo that differs) and `counted` (a row per species) for the
    rest of the transaction.
    """
    connection.exec_driver_sql(_MEMORY)
    for taxa, name in (("taxa", "species_before"), ("incoming.taxa", "species_after")):
        write_rollup(connection, name, species_of(list(read_taxa(connection, taxa)), root_taxa))
    for script in ("compare", "species_changes"):
        connection.exec_driver_sql(read_sql(__file__, script))
    totals = Totals.model_validate(dict(connection.execute(text(read_sql(__file__, "change_totals"))).mappings().one()))
    moves = connection.execute(text(read_sql(__file__, "moves")), {"most": MOST_MOVES}).mappings()
    logger.info(
        "since snapshot %s: %d photos added, %d removed, %d moved to another species, %d changed; %d species differ",
        since, totals.added, totals.removed, totals.moved, totals.changed, totals.species,
    )  # fmt: skip
    return Changes(since=since, totals=totals, moves=tuple(Move.model_validate(dict(m)) for m in moves))


def keep(connection: Connection, snapshot_id: int) -> None:
    """Keep the counts per species of the comparison just made, as those of this load."""
    names = ", ".join(SPECIES_CHANGES.names)
    connection.execute(
        text(f"INSERT INTO species_changes (snapshot_id, {names}) SELECT :id, {names} FROM counted"),  # noqa: S608
        {"id": snapshot_id},
    )


def per_species(engine: Engine, snapshot_id: int) -> pa.Table:
    """Return what a load changed per species, those with the most changes first: a table of `SPECIES_CHANGES`."""
    names = ", ".join(SPECIES_CHANGES.names)
    query = (
        f"SELECT {names} FROM species_changes WHERE snapshot_id = {int(snapshot_id)} "  # noqa: S608 - COPY takes no parameters
        "ORDER BY added + removed + moved_in + moved_out + changed DESC, taxon_id"
    )
    with explained(engine), engine.connect() as connection:
        return copy_out(connection, query, SPECIES_CHANGES)
