"""When and where species are observed, counted by PostgreSQL (`sql/seasons.sql`), for the prior of season and place.

counts = seasons(engine, [48715, 48701], degrees=5, seed=1, held_out_share=0.3)
counts["observations"]          # per taxon_id, cell_row, cell_column, month
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
from sqlalchemy import Engine

from mushroom_tasks.db.copying import copy_out
from mushroom_tasks.db.engine import explained
from mushroom_tasks.db.sql_files import read_sql
from mushroom_tasks.inat.rollup import read_taxa, write_rollup
from mushroom_tasks.inat.taxonomy import species_of

SEASONS = pa.schema(
    [
        pa.field("taxon_id", pa.int64(), nullable=False),
        pa.field("cell_row", pa.int16(), nullable=False),  # from the south pole, in steps of `degrees`
        pa.field("cell_column", pa.int16(), nullable=False),  # from 180 degrees west
        pa.field("month", pa.int8(), nullable=False),  # 1..12; 0: not known
        pa.field("observations", pa.int64(), nullable=False),
    ]
)


def seasons(engine: Engine, taxon_ids: Iterable[int], *, degrees: int, seed: int, held_out_share: float) -> pa.Table:
    """Return the observations of species by cell and month (schema SEASONS), in order of its columns.

    Parameters
    ----------
    taxon_ids
        Species; observations of their subspecies, varieties and forms count too.
    degrees
        Side of a cell; divides 180.
    seed, held_out_share
        Of the selection: observers whose hash is below the share are those of the validation and test splits, and
        count for nothing here.

    Raises DatabaseError where the server refuses or is gone.
    """
    values = {"degrees": degrees, "seed": str(seed), "held_out_share": held_out_share}
    steady = engine.execution_options(isolation_level="REPEATABLE READ")
    with explained(engine), steady.connect() as connection, connection.begin():
        counted_for = species_of(list(read_taxa(connection, "taxa")), taxon_ids)
        write_rollup(connection, "species_of", counted_for)
        connection.exec_driver_sql(read_sql(__file__, "seasons"), values)
        return copy_out(connection, "SELECT * FROM seasons ORDER BY taxon_id, cell_row, cell_column, month", SEASONS)
