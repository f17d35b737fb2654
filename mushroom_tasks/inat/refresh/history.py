"""The history of loads: what the tables hold now, what each load changed, and one step back.

Each row of `snapshots` is one change of what the tables hold; the newest describes them. The tables that a load
replaces are kept, in the schema `<schema>_previous` (`public_previous`), until the next load: that is what `rollback`
brings back. Loads and rollbacks of a database exclude each other.

    latest_load(engine).fingerprint
    rollback(engine)                             # the load before is back
    withdrawn(engine)["photo_id"]
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from datetime import UTC
from itertools import count
from typing import Any

import pyarrow as pa
from psycopg2.errors import LockNotAvailable
from sqlalchemy import Connection, Engine, Row, func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from mushroom_tasks.db.copying import copy_out
from mushroom_tasks.db.engine import explained
from mushroom_tasks.db.models import Snapshot
from mushroom_tasks.db.sql_files import read_sql
from mushroom_tasks.errors import DatabaseError, RollbackError
from mushroom_tasks.inat.refresh import changes, withdrawals

logger = logging.getLogger(__name__)

LOAD, ROLLBACK = "load", "rollback"
WITHDRAWN = pa.schema([("photo_id", pa.int64()), ("extension", pa.string())])
_LOCK = 0x6C6F6164  # advisory lock: one load or rollback at a time
# For each table; all five together stay below deadlock_timeout, 1 s, after which PostgreSQL ends queries.
_LOCK_MILLISECONDS = 100
_PATIENCE = 20  # tries before the log says what is waited for


def loads(engine: Engine) -> list[Snapshot]:
    """Return the whole history, the newest first, detached from its session."""
    with explained(engine), Session(engine, expire_on_commit=False) as session:
        return list(session.scalars(select(Snapshot).order_by(Snapshot.id.desc())))


def latest_load(engine: Engine) -> Snapshot | None:
    """Return what the tables hold now: the newest row of the history; None before the first load."""
    return next(iter(_newest(engine, 1)), None)


def undone_load(engine: Engine) -> Snapshot | None:
    """Return the load that was rolled back, where nothing was loaded since; None otherwise."""
    newest = _newest(engine, 2)
    return newest[1] if len(newest) == 2 and newest[0].kind == ROLLBACK else None


def kept_for_rollback(engine: Engine) -> Snapshot | None:
    """Return the load that `rollback` would bring back; None where there is none."""
    newest = _newest(engine, 2)
    with explained(engine), engine.connect() as connection:
        is_kept = _has_previous(connection)
    return newest[1] if len(newest) == 2 and newest[0].kind == LOAD and is_kept else None


def remember_validators(engine: Engine, fingerprint: str, validators: dict[str, Any]) -> None:
    """Note what the source says of the files of a known snapshot, so that the next look recognises it.

    Known are the snapshot that is loaded and the one that was rolled back last; others are left alone.
    """
    with explained(engine), Session(engine) as session, session.begin():
        for known in session.scalars(select(Snapshot).order_by(Snapshot.id.desc()).limit(2)):
            if known.fingerprint == fingerprint:
                known.validators = validators
            if known.kind == LOAD:
                break


def withdrawn(engine: Engine) -> pa.Table:
    """Return the photos that earlier loads had and that are published no more: photo_id, extension."""
    with explained(engine), engine.connect() as connection:
        return copy_out(connection, "SELECT photo_id, extension FROM withdrawn_photos ORDER BY photo_id", WITHDRAWN)


def rollback(engine: Engine) -> Snapshot:
    """Bring back what the tables held before the last load, and return the row that describes it.

    One transaction of milliseconds: readers see the one or the other, and a rollback that is killed has changed
    nothing. Raises RollbackError where no earlier load is kept: before the second load, and after a rollback.
    DatabaseError where a load is under way, or the server refuses or is gone.
    """
    with explained(engine), Session(engine, expire_on_commit=False) as session, session.begin():
        connection = session.connection()
        if not connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}):
            raise DatabaseError(
                "a load is under way in this database. Wait until it has ended, or end it, and run this again."
            )
        newest = list(session.scalars(select(Snapshot).order_by(Snapshot.id.desc()).limit(2)))
        _require_previous(connection, newest)
        undone, former = newest
        _lock_tables(connection)
        _run(connection, "restore")
        names = ("fingerprint", "source", "validators", "root_taxa", "counts", "findings")
        restored = Snapshot(kind=ROLLBACK, **{name: getattr(former, name) for name in names})
        session.add(restored)
        session.flush()
        session.refresh(restored)
    logger.info("snapshot %s is rolled back; the tables hold %s again", undone.fingerprint, former.fingerprint)
    return restored


def wait_for_turn(connection: Connection) -> None:
    """Exclude other loads and rollbacks of this database until the transaction ends."""
    if not connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}):
        logger.info("another load is under way in this database; waiting for it to end")
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def loaded_already(connection: Connection, fingerprint: str, root_taxa: Sequence[int]) -> Row[Any] | None:
    """Return the row of `snapshots` that says what the tables hold, where that is this snapshot of these root taxa."""
    newest = connection.execute(select(Snapshot).order_by(Snapshot.id.desc()).limit(1)).first()
    is_there = newest is not None and newest.fingerprint == fingerprint and set(newest.root_taxa) == set(root_taxa)
    return newest if is_there else None


def adopt(
    connection: Connection,
    *,
    fingerprint: str,
    source: str,
    validators: dict[str, Any],
    root_taxa: Sequence[int],
    counts: dict[str, Any],
    findings: dict[str, Any],
    max_withdrawn_ratio: float,
) -> changes.Changes | None:
    """Put the filled and indexed tables of schema `incoming` in the place of the current ones, and record the load.

    Compares both first (`changes.compare`), and records the withdrawn photos (`withdrawals.record`). Runs in the
    caller's transaction, after `wait_for_turn`. Returns the comparison, None where there is nothing alike to compare
    with.
    """
    former = connection.execute(select(Snapshot).order_by(Snapshot.id.desc()).limit(1)).first()
    is_alike = former is not None and set(former.root_taxa) == set(root_taxa)
    found = changes.compare(connection, former.fingerprint, root_taxa) if former is not None and is_alike else None
    table: Any = Snapshot.__table__
    snapshot_id = connection.execute(
        table.insert()
        .values(
            kind=LOAD,
            fingerprint=fingerprint,
            source=source,
            validators=validators,
            root_taxa=list(root_taxa),
            counts=counts,
            findings=findings,
            changes=None if found is None else found.model_dump(mode="json"),
            loaded_at=func.clock_timestamp(),  # now() is when the transaction began, hours ago
        )
        .returning(table.c.id)
    ).scalar_one()
    if found is not None:
        changes.keep(connection, snapshot_id)
    withdrawals.record(connection, snapshot_id, None if found is None else found.totals, max_withdrawn_ratio)
    _run(connection, "forget")
    _lock_tables(connection)
    _run(connection, "swap")
    if former is None:
        _run(connection, "forget")  # empty tables: nothing to roll back to
    return found


def _lock_tables(connection: Connection) -> None:
    """Keep readers out of the tables until the transaction ends.

    A query locks its tables in the order it names them, which may be another one than ours: both could wait for each
    other, and PostgreSQL would end one of them, perhaps the load after an hour's work. So what cannot be had within
    a moment is given up and asked for again; in between, readers go on.
    """
    for attempt in count(1):
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_MILLISECONDS}ms'")
                _run(connection, "lock")
                connection.exec_driver_sql("SET LOCAL lock_timeout TO DEFAULT")
            return
        except OperationalError as error:
            if not isinstance(error.orig, LockNotAvailable):
                raise
        if attempt == _PATIENCE:
            logger.info("waiting for queries that read the tables to end")
        time.sleep(random.uniform(0.05, 0.2))  # noqa: S311


def _newest(engine: Engine, most: int) -> list[Snapshot]:
    with explained(engine), Session(engine, expire_on_commit=False) as session:
        return list(session.scalars(select(Snapshot).order_by(Snapshot.id.desc()).limit(most)))


def _require_previous(connection: Connection, newest: Sequence[Snapshot]) -> None:
    if not newest:
        raise RollbackError("nothing is loaded yet, so nothing can be rolled back.")
    latest = newest[0]
    if latest.kind == ROLLBACK:
        raise RollbackError(
            f"the last load is rolled back already: the tables hold snapshot {latest.fingerprint} since "
            f"{latest.loaded_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC. One step back is kept; load a snapshot to go on."
        )
    if len(newest) == 1 or not _has_previous(connection):
        raise RollbackError(
            f"no load before snapshot {latest.fingerprint} is kept, so it cannot be rolled back. From the next load on "
            "it is what a rollback brings back."
        )


def _has_previous(connection: Connection) -> bool:
    return (
        connection.scalar(text("SELECT to_regclass(:name)"), {"name": f"{_schemas(connection)[1]}.photos"}) is not None
    )


def _schemas(connection: Connection) -> tuple[str, str]:
    """Return the schema of the tables and that of the tables before, quoted."""
    row = connection.execute(
        text("SELECT quote_ident(current_schema()), quote_ident(current_schema() || '_previous')")
    ).one()
    return str(row[0]), str(row[1])


def _run(connection: Connection, name: str) -> None:
    schema, previous = _schemas(connection)
    connection.exec_driver_sql(read_sql(__file__, name).format(schema=schema, previous=previous))
