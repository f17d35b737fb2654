"""What is known of the services: addresses and logins once they are up, and the state of each.

services = stack.up(settings, sample=False)
services.airflow.address              # http://127.0.0.1:8080
services.check()                      # ServiceError where one has died since
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mushroom_tasks.local.airflow_api import AirflowApi
from mushroom_tasks.local.process import Process


@dataclass(frozen=True)
class Login:
    """A web UI and how to log in."""

    address: str
    user: str
    password_file: Path

    @property
    def password(self) -> str:
        """The password itself."""
        return self.password_file.read_text(encoding="utf-8")

    def describe(self, *, reveal: bool = False) -> str:
        """Return one line; the password stays in its file unless it is to be revealed."""
        password = self.password if reveal else f"in {self.password_file}"
        return f"{self.address}  user {self.user}, password {password}"


@dataclass(frozen=True)
class Services:
    """What `up` has brought up.

    Attributes
    ----------
    mlflow
        None where the settings name an MLflow server of their own.
    source
        Where the tasks read the bucket from.
    processes
        All that has to run from now on.
    started
        Names of what this call started; empty where all ran before.
    """

    airflow: Login
    mlflow: Login | None
    source: str
    processes: tuple[Process, ...]
    started: tuple[str, ...]

    def airflow_api(self) -> AirflowApi:
        """Return a client of Airflow that is logged in when it needs to be."""
        return AirflowApi(self.airflow.address, self.airflow.user, self.airflow.password)

    def check(self) -> None:
        """Raise ServiceError, with the end of its log, where a process has died."""
        for found in self.processes:
            found.check()

    def describe(self, *, reveal: bool = False) -> str:
        """Return a few lines for a terminal; passwords only where they are to be revealed."""
        lines = [f"Airflow   {self.airflow.describe(reveal=reveal)}"]
        if self.mlflow is not None:
            lines.append(f"MLflow    {self.mlflow.describe(reveal=reveal)}")
        return "\n".join([*lines, f"Source    {self.source}"])


@dataclass(frozen=True)
class ServiceState:
    """One service, as `status` finds it; `state` is running, starting or stopped."""

    name: str
    state: str
    address: str = ""
    pid: int | None = None
    memory_mb: float = 0.0
    log: Path | None = None

    def describe(self) -> str:
        """Return one line for a terminal."""
        details = [self.address] if self.address else []
        if self.pid is not None:
            details.append(f"pid {self.pid}, {self.memory_mb:.0f} MB")
        if self.log is not None:
            details.append(f"log {self.log}")
        return f"{self.name:<22} {self.state:<8} {', '.join(details)}".rstrip()
