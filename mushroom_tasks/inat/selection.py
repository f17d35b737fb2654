"""Select N photos of M species from the loaded tables, and split them by observer.

The work is SQL (`sql/candidates.sql`, `ranked.sql`, `selected.sql`), in one transaction that sees one load. What is
sampled and which split it falls in depend on ids and the seed alone, so next month's selection continues this one.

    table = select(engine, (47169, 48250), SelectionSettings(species_count=20))     # manifests.SELECTION
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Engine, text

from mushroom_tasks.db.engine import explained
from mushroom_tasks.errors import SelectionError
from mushroom_tasks.inat.copying import copy_in, copy_out
from mushroom_tasks.inat.taxonomy import TaxonRow, ancestors, species_of
from mushroom_tasks.manifests import SELECTION
from mushroom_tasks.settings import SelectionSettings

logger = logging.getLogger(__name__)

LEAST_SPECIES = 2  # nothing can be told apart with fewer
_SQL = Path(__file__).with_name("sql")


def select(engine: Engine, root_taxa: Sequence[int], settings: SelectionSettings) -> pa.Table:
    """Return the selected photos as a table of schema `manifests.SELECTION`, sorted by photo_id.

    `root_taxa` may be those that were loaded, or taxa below them. Raises SelectionError where fewer than two species
    have enough photos, or a root taxon is not loaded; DatabaseError where the server refuses or is gone.
    """
    values = {**settings.model_dump(), "seed": str(settings.seed)}
    values |= {name: list(values[name]) for name in ("quality_grades", "licenses")}
    with explained(engine), engine.connect() as connection, connection.begin():
        # Taken together, so that a load cannot swap the tables between two statements.
        connection.execute(text("LOCK TABLE taxa, observations, photos, observers IN ACCESS SHARE MODE"))
        _map_species(connection, root_taxa)
        _run(connection, "candidates", values)
        _run(connection, "ranked", values)
        _require_species(connection, settings)
        _run(connection, "selected", values)
        _log_shared(connection)
        return without_homonyms(copy_out(connection, "SELECT * FROM selected ORDER BY photo_id", SELECTION))


def without_homonyms(table: pa.Table) -> pa.Table:
    """Return a selection in which each scientific name is one taxon, the one with the most photos.

    Names are unique within a code of nomenclature only: an animal and a plant may share one, and a classifier that
    names species could not tell them apart.
    """
    counts = table.group_by(["scientific_name", "taxon_id"]).aggregate([("photo_id", "count")]).to_pylist()
    first: dict[str, int] = {}
    for row in sorted(counts, key=lambda row: (-row["photo_id_count"], row["taxon_id"])):
        first.setdefault(row["scientific_name"], row["taxon_id"])
    others = sorted({row["taxon_id"] for row in counts} - set(first.values()))
    if others:
        logger.warning("the taxa %s are left out: they share their name with a taxon that has more photos", others)
    return table.filter(pc.is_in(table["taxon_id"], pa.array(sorted(first.values()), pa.int64())))


def _run(connection: Connection, name: str, values: dict[str, Any]) -> None:
    connection.exec_driver_sql((_SQL / f"{name}.sql").read_text(encoding="utf-8"), values)
    connection.exec_driver_sql(f"ANALYZE {name}")


def _map_species(connection: Connection, root_taxa: Sequence[int]) -> None:
    taxa = [TaxonRow(*row) for row in connection.execute(text("SELECT taxon_id, ancestry, rank, active FROM taxa"))]
    _require_loaded(connection, taxa, root_taxa)
    found = species_of(taxa, root_taxa)
    mapping = pa.record_batch({"taxon_id": list(found), "species_id": list(found.values())})
    connection.execute(
        text("CREATE TEMPORARY TABLE species_of (taxon_id bigint PRIMARY KEY, species_id bigint) ON COMMIT DROP")
    )
    copy_in(connection, "species_of", mapping.schema.names, [mapping])
    connection.execute(text("ANALYZE species_of"))


def _require_loaded(connection: Connection, taxa: Sequence[TaxonRow], root_taxa: Sequence[int]) -> None:
    loaded = connection.scalar(text("SELECT root_taxa FROM snapshots ORDER BY id DESC LIMIT 1")) or []
    lines = {taxon.taxon_id: {taxon.taxon_id, *ancestors(taxon.ancestry)} for taxon in taxa}
    missing = [taxon_id for taxon_id in root_taxa if lines.get(taxon_id, set()).isdisjoint(loaded)]
    if missing:
        raise SelectionError(
            f"the root taxa {missing} are not loaded; PostgreSQL holds what is below {loaded}. Set `root_taxa`, then "
            "load the snapshot again before selecting."
        )


def _require_species(connection: Connection, settings: SelectionSettings) -> None:
    counts = text(
        "SELECT count(*), count(*) FILTER (WHERE available >= :least), coalesce(max(available), 0) "
        "FROM (SELECT DISTINCT species_id, available FROM ranked) AS species"
    )
    species, enough, largest = connection.execute(counts, {"least": settings.min_photos_per_species}).one()
    if enough < LEAST_SPECIES:
        raise SelectionError(
            f"{enough} species have {settings.min_photos_per_species} photos or more, {LEAST_SPECIES} are needed. Of "
            f"{species} species with photos that are allowed, the largest has {largest}. Lower "
            "selection.min_photos_per_species, allow more in selection.licenses, selection.quality_grades, "
            "selection.max_photos_per_observer or selection.max_photos_per_observation, or widen root_taxa."
        )


def _log_shared(connection: Connection) -> None:
    counts = text(
        "SELECT count(*), count(*) FILTER (WHERE is_shared), count(*) FILTER (WHERE is_disputed) FROM candidates"
    )
    photos, shared, disputed = connection.execute(counts).one()
    logger.info(
        "of %d photos that are allowed, %d are on several observations; %d of those are left out, for their "
        "observations name different species",
        photos, shared, disputed,
    )  # fmt: skip
