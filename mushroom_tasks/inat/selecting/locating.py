"""Which observations lie in some countries: found by their points, into the temporary table `in_countries`.

PostgreSQL gives the points in the box around the countries, shapely tests them; no more than a batch of them is held.

    locate(connection, territory(["DK"]), {"quality_grades": ["research"]})
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from sqlalchemy import Connection

from mushroom_tasks.db.copying import copy_in
from mushroom_tasks.db.sql_files import read_sql
from mushroom_tasks.inat.selecting.countries import Territory

logger = logging.getLogger(__name__)

_BLOCK = 16 << 20
_SPILL = 64 << 20  # bytes of points that stay in memory


def locate(connection: Connection, area: Territory, values: Mapping[str, Any]) -> int:
    """Fill `in_countries` with the observations of any species that lie in the area; return their number."""
    west, south, east, north = area.box
    box = {"area_west": west, "area_south": south, "area_east": east, "area_north": north}
    with tempfile.SpooledTemporaryFile(_SPILL) as file, closing(connection.connection.cursor()) as cursor:
        query = cursor.mogrify(read_sql(__file__, "located"), {**values, **box}).decode()
        cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)", file)
        file.seek(0)
        found = copy_in(connection, "in_countries", ["observation_uuid"], _inside(file, area))
    connection.exec_driver_sql("ANALYZE in_countries")
    logger.info("%d observations of species lie in the countries", found)
    return found


def _inside(file: IO[bytes], area: Territory) -> Iterator[pa.RecordBatch]:
    types = {"observation_uuid": pa.string(), "longitude": pa.float64(), "latitude": pa.float64()}
    reader = pa.csv.open_csv(
        file, pa.csv.ReadOptions(block_size=_BLOCK), convert_options=pa.csv.ConvertOptions(column_types=types)
    )
    for batch in reader:
        held = area.holds(np.asarray(batch["longitude"]), np.asarray(batch["latitude"]))
        yield batch.select(["observation_uuid"]).filter(pa.array(held))
