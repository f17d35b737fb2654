"""The embedded PostgreSQL, the engine and the migrations."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect, text

from mushroom_tasks.db import embedded
from mushroom_tasks.db.engine import migrate, open_engine
from mushroom_tasks.db.models import Base
from mushroom_tasks.errors import DatabaseError, ServiceError
from mushroom_tasks.settings import load_settings


@pytest.fixture
def home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="mushroom-pg-", dir="/tmp"))
    home.chmod(0o755)
    yield home
    embedded.stop(home)
    shutil.rmtree(home, ignore_errors=True)


def _count(url: str, statement: str) -> object:
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            return connection.execute(text(statement)).scalar()
    finally:
        engine.dispose()


def _postmaster(home: Path) -> int:
    return int((home / "postgres" / "postmaster.pid").read_text().split("\n")[0])


def test_embedded__starts_stops_and_keeps_its_data(home: Path) -> None:
    assert not embedded.is_running(home)
    embedded.stop(home)
    url = embedded.url(home)
    _count(url, "CREATE TABLE kept AS SELECT generate_series(1, 10) AS number; SELECT 1")
    embedded.stop(home)
    assert not embedded.is_running(home)
    assert _count(embedded.url(home), "SELECT count(*) FROM kept") == 10


def test_embedded__is_closed_to_others_and_to_the_network(postgres_home: Path) -> None:
    url = embedded.url(postgres_home, "postgres")
    assert stat.S_IMODE((postgres_home / "postgres").stat().st_mode) == 0o700
    assert _count(url, "SELECT current_setting('listen_addresses')") == ""
    assert _count(url, "SELECT current_setting('max_connections')::int >= 200")


def test_embedded__survives_kill_9(home: Path) -> None:
    url = embedded.url(home)
    _count(url, "CREATE TABLE kept AS SELECT 1 AS number; SELECT 1")
    os.kill(_postmaster(home), signal.SIGKILL)
    assert _count(embedded.url(home), "SELECT count(*) FROM kept") == 1


def test_embedded__believes_no_stale_pid_file(home: Path) -> None:
    """After a power cut postmaster.pid remains, and its process id may be anybody's, here our own."""
    url = embedded.url(home)
    pid_file = home / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().split("\n")
    embedded.stop(home)
    owner = (home / "postgres").stat()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    os.chown(pid_file, owner.st_uid, owner.st_gid)
    embedded.stop(home)  # must not signal us
    assert not embedded.is_running(home)
    assert _count(url if embedded.ensure_running(home) is None else "", "SELECT 1") == 1


def test_embedded__starts_over_after_a_killed_initialization(home: Path) -> None:
    (home / "postgres.new").mkdir()
    (home / "postgres.new" / "PG_VERSION").write_text("18\n")
    assert _count(embedded.url(home), "SELECT 1") == 1


def test_embedded__finds_a_socket_folder_for_a_long_path(home: Path) -> None:
    long = home / ("long folder, " * 9)
    long.mkdir()
    long.chmod(0o755)
    try:
        url = embedded.url(long)
        assert "/tmp/mushroom-" in url
        assert stat.S_IMODE(Path(url.split("host=")[1].split("&")[0]).stat().st_mode) == 0o700
        assert _count(url, "SELECT 1") == 1
    finally:
        embedded.stop(long)


def test_embedded__is_started_once_by_many_processes(home: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        urls = pool.starmap(embedded.url, [(home, f"base_{n % 2}") for n in range(8)])
    assert len(set(urls)) == 2
    assert _count(urls[0], "SELECT 1") == 1


def test_embedded__says_why_it_cannot_start(home: Path) -> None:
    embedded.ensure_running(home)
    embedded.stop(home)
    (home / "postgres" / "postgresql.conf").write_text("shared_buffers = 'plenty'\n")
    with pytest.raises(ServiceError, match=r"(?s)does not start.*server\.log.*shared_buffers.*plenty"):
        embedded.ensure_running(home)


def test_embedded__refuses_a_folder_that_is_something_else(home: Path) -> None:
    (home / "postgres").mkdir()
    (home / "postgres" / "letter.txt").write_text("mine")
    with pytest.raises(ServiceError, match="is no PostgreSQL folder"):
        embedded.ensure_running(home)
    assert (home / "postgres" / "letter.txt").read_text() == "mine"


def test_open_engine__starts_the_embedded_server_without_a_database_url(home: Path) -> None:
    engine = open_engine(load_settings({"home": str(home)}))
    migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM photos")).scalar() == 0
    engine.dispose()


def test_open_engine__outlives_a_restart_of_the_server(home: Path) -> None:
    engine = open_engine(load_settings({"home": str(home)}))
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    embedded.stop(home)
    embedded.ensure_running(home)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    engine.dispose()


def test_migrate__agrees_with_the_models(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrate__idempotent(engine: Engine) -> None:
    migrate(engine)
    migrate(engine)
    assert set(inspect(engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}


def test_migrate__by_several_at_once(postgres_home: Path) -> None:
    url = embedded.url(postgres_home, f"race_{time.monotonic_ns()}")
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        pool.map(_migrate, [url] * 3)
    assert _count(url, "SELECT count(*) FROM alembic_version") == 1


def _migrate(url: str) -> None:
    engine = create_engine(url)
    migrate(engine)
    engine.dispose()


def test_migrate__names_a_server_that_is_gone_without_its_password() -> None:
    engine = create_engine("postgresql+psycopg2://reader:secret@127.0.0.1:1/none")
    with pytest.raises(DatabaseError, match=r"127\.0\.0\.1:1.*refused") as raised:
        migrate(engine)
    assert "secret" not in str(raised.value)
