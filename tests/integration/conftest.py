"""A real PostgreSQL for every test that wants one."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from mushroom_tasks.db import embedded
from mushroom_tasks.db.engine import migrate
from mushroom_tasks.storage import Store


@pytest.fixture(scope="session")
def postgres_home() -> Iterator[Path]:
    """A home whose embedded PostgreSQL runs as long as the tests do.

    Not below pytest's own folder: that is closed to others, and root runs the server as another user.
    """
    home = Path(tempfile.mkdtemp(prefix="mushroom-pg-", dir="/tmp"))
    home.chmod(0o755)
    try:
        embedded.ensure_running(home)
        yield home
    finally:
        embedded.stop(home)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def _migrated_template(postgres_home: Path) -> str:
    engine = create_engine(embedded.url(postgres_home, "template_migrated"))
    migrate(engine)
    engine.dispose()
    return "template_migrated"


@contextmanager
def _fresh_database(home: Path, template: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    server = create_engine(embedded.url(home, "postgres"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield embedded.url(home, name)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture
def database(postgres_home: Path, _migrated_template: str) -> Iterator[str]:
    """The URL of a fresh, migrated database of the test's own."""
    with _fresh_database(postgres_home, _migrated_template) as url:
        yield url


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """An engine on a fresh, migrated database of the test's own."""
    engine = create_engine(database, pool_pre_ping=True)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def module_engine(postgres_home: Path, _migrated_template: str) -> Iterator[Engine]:
    """An engine on a migrated database that the tests of a module share."""
    with _fresh_database(postgres_home, _migrated_template) as url:
        engine = create_engine(url, pool_pre_ping=True)
        yield engine
        engine.dispose()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store of the test's own."""
    return Store(tmp_path / "store")
