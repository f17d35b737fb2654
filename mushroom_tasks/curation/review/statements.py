"""The SQL of this package, in files beside it.

connection.execute(statement("undo"), {"undone": batch, "batch": uuid4(), "decided_by": "ann"})
"""

from __future__ import annotations

from functools import cache

from sqlalchemy import Connection, TextClause, text

from mushroom_tasks.db.sql_files import read_sql

_LOCK = 0x72657677  # advisory lock: one writer of decisions at a time


@cache
def statement(name: str) -> TextClause:
    """Return the statement of `sql/<name>.sql`."""
    return text(query(name))


@cache
def query(name: str) -> str:
    """Return the text of `sql/<name>.sql`, for COPY."""
    return read_sql(__file__, name)


def wait_for_turn(connection: Connection) -> None:
    """Let one transaction at a time write decisions, or what repeats them."""
    connection.execute(statement("lock"), {"key": _LOCK})
