"""Which species each taxon counts for (`taxonomy.species_of`), as a temporary table that SQL joins.

names = read_taxa(connection, "taxa")                                     # {TaxonRow: scientific name}
write_rollup(connection, "species_of", species_of(list(names), roots))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
from sqlalchemy import Connection, text

from mushroom_tasks.db.copying import copy_in
from mushroom_tasks.inat.taxonomy import TaxonRow


def read_taxa(connection: Connection, table: str) -> dict[TaxonRow, str]:
    """Return all taxa of a table (`taxa` or `incoming.taxa`) with their scientific names."""
    rows = connection.execute(text(f"SELECT taxon_id, ancestry, rank, active, name FROM {table}"))  # noqa: S608
    return {TaxonRow(*row): str(name) for *row, name in rows}


def write_rollup(
    connection: Connection, name: str, species_of: Mapping[int, int], is_wanted: Sequence[bool] | None = None
) -> None:
    """Make the temporary table `name` of taxon_id (its key) and species_id, for the rest of the transaction.

    `is_wanted`, in the order of `species_of`, becomes a column of that name.
    """
    columns = {
        "taxon_id": pa.array(species_of.keys(), pa.int64()),
        "species_id": pa.array(species_of.values(), pa.int64()),
    }
    types = "taxon_id bigint PRIMARY KEY, species_id bigint NOT NULL"
    if is_wanted is not None:
        columns["is_wanted"] = pa.array(is_wanted, pa.bool_())
        types += ", is_wanted boolean NOT NULL"
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {name} ({types}) ON COMMIT DROP")
    copy_in(connection, name, list(columns), [pa.record_batch(columns)])
    connection.exec_driver_sql(f"ANALYZE {name}")
