"""Which photos are published no more: what a load finds missing, unless the load itself is what is to be doubted.

Photos that are recorded here are deleted from the store, so a snapshot that is old or damaged must not record any.

    record(connection, snapshot_id, found.totals, max_ratio=0.1)
"""

from __future__ import annotations

import logging

from sqlalchemy import Connection, text

from mushroom_tasks.db.sql_files import read_sql
from mushroom_tasks.inat.refresh.changes import Totals

logger = logging.getLogger(__name__)


def record(connection: Connection, snapshot_id: int, totals: Totals | None, max_ratio: float) -> None:
    """Fill `incoming.withdrawn_photos`: what was known before and did not come back, and what this load misses.

    `totals` are those of the comparison just made (`changes.compare`), None where there was none: nothing is missed
    then. Nor where an older snapshot was loaded, or where more than the share `max_ratio` of the photos before are
    gone; a warning says so.
    """
    connection.exec_driver_sql(read_sql(__file__, "withdrawn"))
    if totals is None or totals.removed == 0:
        return
    doubt = _doubt(connection, totals, max_ratio)
    if doubt:
        logger.warning("none of the %d photos that this load misses counts as withdrawn: %s", totals.removed, doubt)
    else:
        connection.execute(text(read_sql(__file__, "withdrawn_now")), {"snapshot_id": snapshot_id})


def _doubt(connection: Connection, totals: Totals, max_ratio: float) -> str | None:
    # Ids are given in order and photos are added every minute: the snapshot with the smaller last one is the older.
    last, before = connection.execute(
        text("SELECT (SELECT max(photo_id) FROM incoming.photos), (SELECT max(photo_id) FROM photos)")
    ).one()
    if last < before:
        return (
            f"the snapshot is older than the one before it, for its newest photo is {last}, and that one's is {before}"
        )
    if totals.removed > totals.photos_before * max_ratio:
        return (
            f"the load before had {totals.photos_before}, and more than ingest.max_withdrawn_ratio = {max_ratio:g} of "
            "them are gone. If the snapshot is damaged, take it back with `mushroom rollback`; if it is right, load it "
            "again after that with a larger ratio and `mushroom stage ingest --again`"
        )
    return None
