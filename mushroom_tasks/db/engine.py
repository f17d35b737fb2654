"""The way to PostgreSQL: an engine for the settings in force, and the schema brought up to date.

engine = open_engine(load_settings())      # starts the embedded server where no database is set
migrate(engine)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from mushroom_tasks.errors import DatabaseError
from mushroom_tasks.settings import Settings

MIGRATIONS = Path(__file__).with_name("migrations")
_MIGRATE_LOCK = 0x6D757368  # advisory lock: one process migrates, the others wait and find it done


def open_engine(settings: Settings) -> Engine:
    """Return an engine on `settings.database_url`, or on the embedded PostgreSQL of the home where that is empty.

    Connections are checked before use, so a server that was restarted in between goes unnoticed. Raises
    ServiceError where the embedded server cannot start; nothing else connects yet.
    """
    url = settings.database_url.get_secret_value()
    if not url:
        from mushroom_tasks.db import embedded

        url = embedded.url(settings.home)
    return create_engine(url, pool_pre_ping=True, pool_size=2, connect_args={"application_name": "mushroom"})


def migrate(engine: Engine) -> None:
    """Bring the schema up to the newest migration; does nothing where it is there already.

    Safe to call from several processes at once. Raises DatabaseError where the server cannot be reached.
    """
    with explained(engine), engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATE_LOCK})
        command.upgrade(alembic_config(connection), "head")


def alembic_config(connection: object) -> Config:
    """Return Alembic's configuration for the packaged migrations, run on an open connection."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def explained(engine: Engine) -> Iterator[None]:
    """Turn what the database driver raises into DatabaseError, which names the server but no password."""
    try:
        yield
    except (DBAPIError, psycopg2.Error) as error:
        driver = error.orig if isinstance(error, DBAPIError) else error
        cause = str(driver).strip() or type(driver).__name__
        raise DatabaseError(
            f"PostgreSQL at {engine.url.render_as_string(hide_password=True)} refuses or is gone: {cause}. What was "
            "committed before is unchanged. Check that the server runs (`mushroom status`) and run this again."
        ) from error
