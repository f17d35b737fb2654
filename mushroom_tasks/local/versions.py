"""Which version of a program has last brought its database up to date, so that a start need not check.

The version is a comment on the database itself: it goes when the database goes.

    if recorded(url) != "3.3.2": migrate(); record(url, "3.3.2")
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool


def recorded(url: str) -> str | None:
    """Return the version that is recorded for a database, or None."""
    with _connect(url) as connection:
        query = text("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()")
        value = connection.execute(query).scalar_one()
    return None if value is None else str(value)


def record(url: str, version: str) -> None:
    """Record the version."""
    with _connect(url) as connection:
        # COMMENT takes no parameters: the server quotes both.
        statement = connection.execute(
            text("SELECT format('COMMENT ON DATABASE %I IS %L', current_database(), CAST(:version AS text))"),
            {"version": version},
        ).scalar_one()
        connection.exec_driver_sql(str(statement).replace("%", "%%"))


def is_empty(url: str) -> bool:
    """Tell whether a database has no tables yet."""
    with _connect(url) as connection:
        query = text("SELECT NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public')")
        return bool(connection.execute(query).scalar_one())


@contextmanager
def _connect(url: str) -> Iterator[Connection]:
    with create_engine(url, poolclass=NullPool).begin() as connection:
        yield connection
