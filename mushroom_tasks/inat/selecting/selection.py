"""Select N photos of M species from the loaded tables, and split them by observer.

The work is SQL (`sql/allowed.sql`, `dropped.sql`, `counted.sql`, `chosen.sql`, `sampled.sql`, `selected.sql`), in one
transaction that sees one load. What is sampled and which split it falls in depend on ids and the seed alone, so next
month's selection continues this one.

    table = select(engine, (47169, 48250), SelectionSettings(species_count=20))     # manifests.SELECTION
    both = choose(engine, (47169, 48250), SelectionSettings(species=("Amanita muscaria", "Boletus edulis")))
    both.species                                                                    # species_counts.SPECIES_COUNTS
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Engine, text

from mushroom_tasks.db.copying import copy_out
from mushroom_tasks.db.engine import explained
from mushroom_tasks.db.sql_files import read_sql
from mushroom_tasks.errors import SelectionError
from mushroom_tasks.inat.rollup import read_taxa, write_rollup
from mushroom_tasks.inat.selecting.countries import territory
from mushroom_tasks.inat.selecting.locating import locate
from mushroom_tasks.inat.selecting.references import Taxa, below
from mushroom_tasks.inat.selecting.species_counts import COUNTED, species_counts
from mushroom_tasks.inat.taxonomy import TaxonRow, ancestors, species_of
from mushroom_tasks.manifests import SELECTION
from mushroom_tasks.settings import SelectionSettings
from mushroom_tasks.settings.selection import LEAST_SPECIES

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Selection:
    """What was selected (schema `manifests.SELECTION`), and the counts per species (`SPECIES_COUNTS`)."""

    photos: pa.Table
    species: pa.Table


def select(engine: Engine, root_taxa: Sequence[int], settings: SelectionSettings) -> pa.Table:
    """Return the selected photos as a table of schema `manifests.SELECTION`, sorted by photo_id.

    See `choose` for the errors.
    """
    return choose(engine, root_taxa, settings).photos


def choose(engine: Engine, root_taxa: Sequence[int], settings: SelectionSettings) -> Selection:
    """Return the selected photos, sorted by photo_id, and the counts of every species with a photo, largest first.

    `root_taxa` may be those that were loaded, or taxa below them. Species that the settings list are counted without a
    photo too. Raises SelectionError where fewer than two species have enough photos, a root taxon is not loaded, or a
    name or country is unknown; DatabaseError where the server refuses or is gone.
    """
    values = _values(settings)
    # Every statement sees the tables as they are once the locks are there.
    steady = engine.execution_options(isolation_level="REPEATABLE READ")
    with explained(engine), steady.connect() as connection, connection.begin():
        # Taken together, so that a load cannot swap the tables between two statements.
        connection.execute(text("LOCK TABLE taxa, observations, photos, observers IN ACCESS SHARE MODE"))
        _run(connection, "planning", values)
        listed = _map_species(connection, root_taxa, settings)
        if settings.countries:
            locate(connection, territory(settings.countries), values)
        for name in ("allowed", "dropped", "counted"):
            _run(connection, name, values)
        _require_species(connection, settings)
        _sample(connection, values)
        _run(connection, "selected", values)
        _log_shared(connection)
        photos = without_homonyms(copy_out(connection, "SELECT * FROM selected ORDER BY photo_id", SELECTION))
        chosen = set(connection.execute(text("SELECT species_id FROM chosen")).scalars())
        counted = _counted(connection, listed)
    return Selection(photos, species_counts(counted, photos, chosen, settings.min_photos_per_species))


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


def _values(settings: SelectionSettings) -> dict[str, Any]:
    """Return the parameters of the SQL files."""
    west, south, east, north = settings.bounding_box or (None,) * 4
    return {
        **settings.model_dump(include=set(_PLAIN)),
        "quality_grades": list(settings.quality_grades),
        "licenses": list(settings.licenses),
        "seed": str(settings.seed),
        "species_limit": None if settings.species else settings.species_count,
        "by_country": bool(settings.countries),
        "west": west,
        "south": south,
        "east": east,
        "north": north,
    }


_PLAIN = (
    "photos_per_species",
    "min_photos_per_species",
    "max_photos_per_observation",
    "max_photos_per_observer",
    "observed_from",
    "observed_to",
    "min_anomaly_score",
    "validation_share",
    "test_share",
)


def _run(connection: Connection, name: str, values: dict[str, Any]) -> None:
    statements = read_sql(__file__, name).replace("{observation_passes}", read_sql(__file__, "observation_passes"))
    connection.exec_driver_sql(statements, values)


def _map_species(connection: Connection, root_taxa: Sequence[int], settings: SelectionSettings) -> dict[int, str]:
    """Fill the temporary table `species_of`; return the listed species that are not excluded, with their names."""
    names = read_taxa(connection, "taxa")
    _require_loaded(connection, list(names), root_taxa)
    found, taxa = species_of(list(names), root_taxa), Taxa(names)
    excluded = below(names, taxa.branches(settings.exclude, "selection.exclude"))
    listed = (
        taxa.species(settings.species, found, "selection.species") if settings.species else frozenset(found.values())
    )
    wanted = [taxon_id not in excluded and species_id in listed for taxon_id, species_id in found.items()]
    write_rollup(connection, "species_of", found, wanted)
    if not settings.species:
        return {}
    return {t.taxon_id: name for t, name in names.items() if t.taxon_id in listed and t.taxon_id not in excluded}


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
        "SELECT count(*), count(*) FILTER (WHERE available >= :least), coalesce(max(available), 0) FROM counted"
    )
    species, enough, largest = connection.execute(counts, {"least": settings.min_photos_per_species}).one()
    if enough < LEAST_SPECIES:
        raise SelectionError(
            f"{enough} species have {settings.min_photos_per_species} photos or more, {LEAST_SPECIES} are needed. Of "
            f"{species} species with photos that are allowed, the largest has {largest}. Lower "
            "selection.min_photos_per_species, allow more in selection.licenses, selection.quality_grades, "
            "selection.max_photos_per_observer or selection.max_photos_per_observation, widen the dates, places or "
            "list of species that are asked for, or root_taxa."
        )


def _sample(connection: Connection, values: dict[str, Any]) -> None:
    """Take each species' photos: from a part of them first, then from all where the part was too small."""
    _run(connection, "chosen", values)
    _run(connection, "sampled", values)
    _run(connection, "settled", values)
    if again := connection.scalar(text("SELECT count(*) FROM chosen WHERE NOT is_settled")):
        logger.info("%d species are sampled once more, of all their photos", again)
        _run(connection, "sampled", values)


def _counted(connection: Connection, listed: dict[int, str]) -> pa.Table:
    """Return the counts before sampling (schema COUNTED) by rank; listed species without a photo come last."""
    query = "SELECT species_id AS taxon_id, scientific_name, photos, available FROM counted ORDER BY species_rank"
    found = copy_out(connection, query, COUNTED)
    missing = sorted(listed.keys() - set(found["taxon_id"].to_pylist()))
    rows = [{"taxon_id": i, "scientific_name": listed[i], "photos": 0, "available": 0} for i in missing]
    return pa.concat_tables([found, pa.Table.from_pylist(rows, COUNTED)])


def _log_shared(connection: Connection) -> None:
    counts = text(
        "SELECT (SELECT count(*) FROM allowed), count(*) FILTER (WHERE nth = 1), "
        "count(*) FILTER (WHERE nth = 1 AND is_disputed) FROM shared"
    )
    photos, shared, disputed = connection.execute(counts).one()
    logger.info(
        "of %d photos that are allowed, %d are on several observations; %d of those are left out, for their "
        "observations name different species",
        photos, shared, disputed,
    )  # fmt: skip
