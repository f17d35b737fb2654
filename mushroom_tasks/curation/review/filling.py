"""Put what a pruned manifest flagged before people: fill a review set.

queue(engine, "ab12", rows, origin="iNaturalist open data", conf={"selection.seed": 1}, keep_sets=3)
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Engine, func, insert, select, text, update

from mushroom_tasks.curation.counts import tally
from mushroom_tasks.curation.review.statements import statement, wait_for_turn
from mushroom_tasks.db.copying import copy_in
from mushroom_tasks.db.engine import explained
from mushroom_tasks.db.models import ReviewSet, ReviewSpecies

logger = logging.getLogger(__name__)

# What the page shows of a row of manifests.PRUNED.
_SHOWN = [
    "photo_id", "taxon_id", "observation_uuid", "observer_id", "login", "observer_name", "license", "split", "path",
    "sha256", "cluster_label", "is_outlier", "reason", "outlier_score", "doubt", "label_score", "suggested_taxon_id",
    "duplicate_of", "quality_issue",
]  # fmt: skip
COLUMNS = [*_SHOWN, "scientific_name"]
_PRUNED, _DOUBTFUL, _KEPT = range(3)  # the order within a species
_ROWS_AT_ONCE = 10_000
_LOCK = 0x71756575  # advisory lock: one process fills a set at a time; people decide meanwhile


def queue(
    engine: Engine,
    fingerprint: str,
    rows: pa.Table,
    *,
    origin: str,
    conf: Mapping[str, Any] | None,
    keep_sets: int,
) -> bool:
    """Make a review set of a pruned manifest, or put the one there is of it to the top; True where it was made.

    All in one transaction: a set is there whole or not at all, with the verdicts that are in force when it appears.

    Parameters
    ----------
    fingerprint, rows
        The pruned manifest, at least `COLUMNS` of it.
    origin, conf
        Where the photos come from, and the parameters that make the data set again; None where nothing does.
    keep_sets
        So many sets are kept, the newest; no decision is ever dropped.
    """
    about = {"origin": origin, "conf": None if conf is None else dict(conf), "queued_at": func.clock_timestamp()}
    with explained(engine), engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        set_id = connection.scalar(select(ReviewSet.id).where(ReviewSet.fingerprint == fingerprint))
        is_new = set_id is None
        if is_new:
            set_id = _fill(connection, fingerprint, rows, about)
        else:
            connection.execute(update(ReviewSet).where(ReviewSet.id == set_id).values(about))
        wait_for_turn(connection)
        if is_new:
            connection.execute(statement("enforce_all"), {"set_id": set_id})
            connection.execute(statement("recount_all"), {"set_id": set_id})
        connection.execute(statement("forget"), {"keep_sets": keep_sets})
    logger.info("review set %s %s: %d photos", fingerprint, "made" if is_new else "is there already", rows.num_rows)
    return is_new


def _fill(connection: Connection, fingerprint: str, rows: pa.Table, about: Mapping[str, Any]) -> int:
    ordered = _in_order(rows)
    made = insert(ReviewSet).values(fingerprint=fingerprint, counts=_counts(rows), **about).returning(ReviewSet.id)
    set_id = int(connection.execute(made).scalar_one())
    connection.execute(insert(ReviewSpecies), [{**each, "set_id": set_id} for each in _species(rows).to_pylist()])
    items = ordered.select(_SHOWN)
    items = items.append_column("set_id", pa.array(np.full(rows.num_rows, set_id)))
    items = items.append_column("rank", pa.array(np.arange(rows.num_rows, dtype=np.int32)))
    copy_in(connection, "review_items", items.column_names, items.to_batches(max_chunksize=_ROWS_AT_ONCE))
    # The planner has to know the new set before anybody opens its page.
    connection.execute(text("ANALYZE review_items"))
    return set_id


def _in_order(rows: pa.Table) -> pa.Table:
    """Return the rows as the page shows them.

    By species; in it what is pruned, what is doubtful, the rest; in these the same finding and the same stray cluster
    together (a series is decided at one stroke), and the most outlying first.
    """
    is_doubtful = _doubtful(rows)
    group = pc.if_else(rows["is_outlier"], _PRUNED, pc.if_else(is_doubtful, _DOUBTFUL, _KEPT))
    finding = pc.if_else(rows["is_outlier"], rows["reason"], pc.fill_null(rows["doubt"], ""))
    cluster = pc.if_else(pc.equal(group, _KEPT), 0, rows["cluster_label"])
    keyed = rows.append_column("group", group).append_column("finding", finding).append_column("cluster", cluster)
    keys = ("scientific_name", "taxon_id", "group", "finding", "cluster")
    order = [*((key, "ascending") for key in keys), ("outlier_score", "descending"), ("photo_id", "ascending")]
    return rows.take(pc.sort_indices(keyed, sort_keys=order))


def _species(rows: pa.Table) -> pa.Table:
    """Return the columns of `review_species` but `set_id`, in the order of the items."""
    counted = (
        rows.select(["taxon_id", "scientific_name"])
        .append_column("pruned", rows["is_outlier"].cast(pa.int32()))
        .append_column("doubtful", _doubtful(rows).cast(pa.int32()))
        .group_by("taxon_id", use_threads=False)
        .aggregate([("scientific_name", "min"), ([], "count_all"), ("pruned", "sum"), ("doubtful", "sum")])
        .rename_columns(["taxon_id", "scientific_name", "photos", "pruned", "doubtful"])
        .sort_by([("scientific_name", "ascending"), ("taxon_id", "ascending")])
    )
    waiting = pc.add(counted["pruned"], counted["doubtful"])
    return (
        counted.append_column("waiting", waiting)
        .append_column("decided", pa.array(np.zeros(counted.num_rows, np.int32)))
        .append_column("position", pa.array(np.arange(counted.num_rows, dtype=np.int32)))
    )


def _counts(rows: pa.Table) -> dict[str, Any]:
    return {
        "photos": rows.num_rows,
        "pruned": pc.sum(rows["is_outlier"]).as_py() or 0,
        "doubtful": pc.sum(_doubtful(rows)).as_py() or 0,
        "reasons": tally(rows["reason"]),
        "doubts": tally(rows["doubt"].drop_null()),
    }


def _doubtful(rows: pa.Table) -> pa.ChunkedArray:
    """Tell which photos are not pruned, and should be looked at all the same."""
    return pc.and_(pc.invert(rows["is_outlier"]), pc.is_valid(rows["doubt"]))
