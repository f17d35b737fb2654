"""One background process: started with a log file and a pid file, found again later, stopped with all it started.

A pid alone proves nothing, the kernel gives it away again: the pid file also holds the time the process was
created, and only a process that fits both is ours. Each process leads a session of its own and carries a mark in
its environment, so what it started is found by both even when it is dead, and nobody else's is ever stopped.

    process = Process(home, "mlflow")
    process.start(["mlflow", "server"], {"MLFLOW_BACKEND_STORE_URI": "..."}, home / "mlflow")
    process.check()                       # ServiceError with the end of the log, where it died
    stop([process])
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from mushroom_tasks.errors import ServiceError
from mushroom_tasks.local.environment import inherited

_CLOCK_STEP = 3.0  # seconds by which a creation time may seem to move when the system's clock is set
_KILL_SECONDS = 10.0  # until the kernel has taken away what was killed
_LOG_TAIL = 30  # lines
_MARK = "MUSHROOM_SERVICE"
_children: list[subprocess.Popen[bytes]] = []  # kept, so that the ones that end are reaped


@dataclass(frozen=True)
class _Record:
    """The pid file's content."""

    pid: int
    created: float
    configuration: str


class Process:
    """A named background process of a home folder.

    Parameters
    ----------
    home
        The home folder; the pid file is `home/run/<name>.json`, the log `home/logs/<name>.log`.
    name
        Unique within the home folder.
    """

    def __init__(self, home: Path, name: str) -> None:
        self.name = name
        self.log = home / "logs" / f"{name}.log"
        self._file = home / "run" / f"{name}.json"
        # setproctitle, which Airflow uses, writes titles over the environment that we look for, unless told not to.
        self._marks = {_MARK: str(self._file), "SPT_NOENV": "1"}

    def find(self) -> psutil.Process | None:
        """Return the running process, or None where it does not run (or its pid is another program's now)."""
        record = self._read()
        return None if record is None else _find(record)

    def start(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> bool:
        """Start the process with `environment` on top of ours; return False where it runs already.

        One that runs with another command or environment is stopped first. Raises ServiceError where the
        program cannot be started.
        """
        configuration = _configuration(command, environment)
        record = self._read()
        if record is not None:
            if _find(record) is not None and record.configuration == configuration:
                return False
            stop([self])  # another configuration, or what a crash left behind
        self._keep_last_log()
        folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            try:
                child = subprocess.Popen(
                    command, env={**inherited(), **environment, **self._marks}, cwd=folder, stdin=subprocess.DEVNULL,
                    stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise ServiceError(f"{self.name} cannot be started: {error}. Is the package installed?") from error
        _children.append(child)
        self._write(_Record(child.pid, psutil.Process(child.pid).create_time(), configuration))
        return True

    def check(self) -> None:
        """Raise ServiceError, with the end of the log, where the process has died."""
        if self.find() is None:
            raise ServiceError(f"{self.name} has ended by itself. The end of {self.log}:\n{self.log_tail()}")

    def log_tail(self) -> str:
        """Return the last lines of the log."""
        return tail(self.log)

    def members(self) -> list[psutil.Process]:
        """Return all living processes of the session: the process and whatever it started."""
        record = self._read()
        return [] if record is None or _is_another(record) else _session(record.pid, str(self._file))

    def forget(self) -> None:
        """Remove the pid file, once nothing of the process lives."""
        self._file.unlink(missing_ok=True)

    def _read(self) -> _Record | None:
        try:
            return _Record(**json.loads(self._file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def _write(self, record: _Record) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._file.with_suffix(".part")
        temporary.write_text(json.dumps(vars(record)), encoding="utf-8")
        temporary.replace(self._file)

    def _keep_last_log(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            self.log.replace(self.log.with_suffix(".log.1"))


def tail(log: Path) -> str:
    """Return the last lines of a program's log."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return "(no log)"
    return "\n".join(lines[-_LOG_TAIL:]) or "(the log is empty)"


def stop(processes: Iterable[Process], grace: float = 10.0) -> None:
    """Stop processes side by side: politely, and after `grace` seconds with all that they started by force.

    Silent where one does not run. Raises ServiceError where something survives even that.
    """
    stopping = list(processes)
    for process in stopping:
        leader = process.find()
        if leader is not None:
            with suppress(psutil.NoSuchProcess):
                leader.send_signal(signal.SIGTERM)
    _wait_for_leaders(stopping, grace)
    _kill(stopping, _KILL_SECONDS)
    for process in stopping:
        if left := process.members():
            raise ServiceError(f"{process.name} cannot be stopped: processes {[p.pid for p in left]} stay alive.")
        process.forget()


def _wait_for_leaders(processes: list[Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(process.find() for process in processes):
        time.sleep(0.1)


def _kill(processes: list[Process], seconds: float) -> None:
    """Kill what lives, and what it may have started meanwhile, until nothing is left or the time is over.

    Nothing is asked politely here: a task that is told to end would report itself as failed, one that is cut off
    runs again.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and (left := _living(processes)):
        for member in left:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        time.sleep(0.1)


def _living(processes: list[Process]) -> list[psutil.Process]:
    return [member for process in processes for member in process.members()]


def _find(record: _Record) -> psutil.Process | None:
    for child in _children:
        child.poll()
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(record.pid)
        if _is_of(record, process) and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def _is_of(record: _Record, process: psutil.Process) -> bool:
    return bool(abs(process.create_time() - record.created) < _CLOCK_STEP)


def _is_another(record: _Record) -> bool:
    """Tell whether the pid is another program's now: the kernel gives it away when nothing of our session is left."""
    with suppress(psutil.NoSuchProcess):
        return not _is_of(record, psutil.Process(record.pid))
    return False


def _session(leader: int, mark: str) -> list[psutil.Process]:
    found = []
    for pid in psutil.pids():
        with suppress(psutil.Error, OSError):
            if os.getsid(pid) != leader:
                continue
            process = psutil.Process(pid)
            environment = process.environ()
            # Between fork and the new program's first step a process shows no environment at all; it is ours too.
            if process.status() != psutil.STATUS_ZOMBIE and (not environment or environment.get(_MARK) == mark):
                found.append(process)
    return found


def _configuration(command: Sequence[str], environment: Mapping[str, str]) -> str:
    text = json.dumps([list(command), sorted(environment.items())])
    return hashlib.sha256(text.encode()).hexdigest()
