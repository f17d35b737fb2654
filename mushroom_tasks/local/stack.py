"""All services of one machine, started and stopped together: PostgreSQL, MLflow, Airflow, the sample bucket.

They run in the background and outlive the program that started them. Starting twice is harmless; stopping also
clears up after a crash. Everything they keep is in the home folder, everything listens on the loopback address.

    services = up(settings, sample=False)
    print(services.describe())
    down(settings)
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import psutil  # type: ignore[import-untyped]

from mushroom_tasks.db import embedded
from mushroom_tasks.errors import ServiceError
from mushroom_tasks.local import ports, process
from mushroom_tasks.local.airflow_server import AirflowServer
from mushroom_tasks.local.environment import settings_environment
from mushroom_tasks.local.mlflow_server import MlflowServer
from mushroom_tasks.local.process import Process
from mushroom_tasks.local.sample_source import SampleSource
from mushroom_tasks.local.services import Login, Services, ServiceState
from mushroom_tasks.settings import Settings

PREFERRED_PORTS = {"airflow": 8080, "mlflow": 5000, "sample": 8090}
_START_SECONDS = 600.0
_POLL_SECONDS = 0.3
_REPORTING = ("airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")  # to Airflow's API server
Ready = Callable[[str, str, float], None]


def _silent(_name: str, _address: str, _seconds: float) -> None:
    """Report to nobody."""


class _Service(Protocol):
    name: str
    address: str
    processes: list[Process]

    def healthy(self) -> bool: ...


def up(settings: Settings, *, sample: bool, on_ready: Ready | None = None) -> Services:
    """Start what does not run, wait until all of it is well, and return where it is.

    With `sample`, the sample bucket is drawn in `home/sample`, served, and is the tasks' source. `on_ready` is
    called with name, address and seconds for each service that is up. Raises ServiceError where a service does not
    start, with the end of its log; what this call had started is stopped again.
    """
    report = on_ready or _silent
    start = time.monotonic()
    with _locked(settings.home):
        had_postgres = embedded.is_running(settings.home)
        stack = _Stack(settings, sample=sample)
        try:
            embedded.ensure_running(settings.home)
            report("postgresql", "", time.monotonic() - start)
            stack.start()
            stack.wait(lambda name, address: report(name, address, time.monotonic() - start))
        except BaseException:
            stack.undo()
            if not had_postgres:
                embedded.stop(settings.home)
            raise
        started = () if had_postgres else ("postgresql",)
        return stack.services(started)


def status(settings: Settings) -> list[ServiceState]:
    """Return the state of each service of the home folder."""
    home = settings.home
    running = embedded.is_running(home)
    states = [ServiceState("postgresql", "running" if running else "stopped")]
    for service in _services(home, ports.recall(_ports_file(home))):
        healthy = any(p.find() for p in service.processes) and _is_healthy(service)
        states.extend(_state(service, found, healthy=healthy) for found in service.processes)
    return states


def is_running(settings: Settings) -> bool:
    """Tell whether any of Airflow's processes runs."""
    airflow = AirflowServer(settings.home, PREFERRED_PORTS["airflow"])
    return any(found.find() for found in airflow.processes)


def down(settings: Settings) -> None:
    """Stop all services of the home folder; what they keep stays. Silent where nothing runs.

    A task that is under way is cut off; Airflow runs it again after the next start.
    """
    home = settings.home
    if not home.is_dir():
        return
    with _locked(home):
        services = _services(home, ports.recall(_ports_file(home)))
        processes = [found for service in services for found in service.processes]
        # The API server last: tasks and schedulers that end report to it.
        process.stop([p for p in processes if p.name in _REPORTING], grace=6.0)
        process.stop([p for p in processes if p.name not in _REPORTING])
        embedded.stop(home)


class _Stack:
    """The services of one call of `up`, while they start."""

    def __init__(self, settings: Settings, *, sample: bool) -> None:
        home = settings.home
        path = _ports_file(home)
        wanted = [name for name in PREFERRED_PORTS if self._is_wanted(name, settings, sample)]
        running = {s.name for s in _services(home, ports.recall(path)) if any(p.find() for p in s.processes)}
        chosen = ports.allocate(path, {name: PREFERRED_PORTS[name] for name in wanted}, running)
        self.settings = settings
        self.airflow = AirflowServer(home, chosen["airflow"])
        self.mlflow = MlflowServer(home, chosen["mlflow"]) if "mlflow" in wanted else None
        self.sample = SampleSource(home, chosen["sample"]) if sample else None
        self._ran_before = {found.name for service in self._all() for found in service.processes if found.find()}
        self.started: list[Process] = []

    @staticmethod
    def _is_wanted(name: str, settings: Settings, sample: bool) -> bool:
        return {"mlflow": not settings.mlflow_tracking_uri, "sample": sample}.get(name, True)

    @property
    def source(self) -> str:
        return self.sample.address if self.sample else self.settings.source

    def start(self) -> None:
        """Start all processes side by side; Airflow's tables are migrated while MLflow loads."""
        if self.sample is not None:
            self.started += self.sample.start()
        if self.mlflow is not None:
            self.started += self.mlflow.start()
        self.started += self.airflow.start(self._tasks_environment())

    def wait(self, on_ready: Callable[[str, str], None]) -> None:
        """Wait until all are well; ServiceError where a process dies, or after ten minutes."""
        waiting = self._all()
        deadline = time.monotonic() + _START_SECONDS
        while waiting:
            for found in self.started:
                found.check()
            for service in [service for service in waiting if service.healthy()]:
                waiting.remove(service)
                on_ready(service.name, service.address)
            if time.monotonic() > deadline:
                raise ServiceError(_too_slow(waiting[0]))
            time.sleep(_POLL_SECONDS if waiting else 0)
        self.started += self.airflow.finish(self._tasks_environment())

    def undo(self) -> None:
        """Stop what did not run before."""
        processes = [found for service in self._all() for found in service.processes]
        process.stop([found for found in processes if found.name not in self._ran_before])

    def services(self, started: tuple[str, ...]) -> Services:
        """Return the addresses and logins."""
        return Services(
            airflow=_login(self.airflow),
            mlflow=None if self.mlflow is None else _login(self.mlflow),
            source=self.source,
            processes=tuple(found for service in self._all() for found in service.processes),
            started=(*started, *(found.name for found in self.started)),
        )

    def _all(self) -> list[_Service]:
        return [service for service in (self.sample, self.mlflow, self.airflow) if service is not None]

    def _tasks_environment(self) -> dict[str, str]:
        settings = self.settings.model_copy(update={"source": self.source})
        tracking = {} if self.mlflow is None else self.mlflow.environment()
        return settings_environment(settings) | tracking


def _services(home: Path, chosen: dict[str, int]) -> list[_Service]:
    at = {**PREFERRED_PORTS, **chosen}
    return [MlflowServer(home, at["mlflow"]), SampleSource(home, at["sample"]), AirflowServer(home, at["airflow"])]


def _state(service: _Service, found: Process, *, healthy: bool) -> ServiceState:
    leader = found.find()
    if leader is None:
        return ServiceState(found.name, "stopped")
    state = "running" if healthy else "starting"
    memory = 0.0
    for member in found.members():
        with suppress(psutil.Error):
            memory += member.memory_full_info().pss / 1e6
    # Of Airflow's processes only the API server listens.
    address = service.address if found is service.processes[0] else ""
    return ServiceState(found.name, state, address, leader.pid, memory, found.log)


def _is_healthy(service: _Service) -> bool:
    with suppress(ServiceError):
        return service.healthy()
    return False


def _login(server: AirflowServer | MlflowServer) -> Login:
    return Login(server.address, server.user, server.password_file)


def _too_slow(service: _Service) -> str:
    found = service.processes[0]
    return (
        f"{service.name} is not well after {_START_SECONDS:.0f} s at {service.address}. "
        f"The end of {found.log}:\n{found.log_tail()}"
    )


def _ports_file(home: Path) -> Path:
    return home / "services.json"


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Let one program at a time start or stop the services of a home folder; others wait."""
    folder = home / "run"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
