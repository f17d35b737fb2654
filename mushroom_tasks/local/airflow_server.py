"""Airflow on one machine: API server, scheduler with its LocalExecutor, DAG processor and triggerer.

Four processes of our own instead of `airflow standalone`: each has its log, they start side by side, and none
listens on anything but the loopback address. Tables are in the embedded PostgreSQL, passwords and keys in
`home/secrets`.

    server = AirflowServer(settings.home, 8080)
    server.start(environment)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import httpx

import mushroom_tasks
from mushroom_tasks.db import embedded
from mushroom_tasks.errors import ServiceError
from mushroom_tasks.local import versions
from mushroom_tasks.local.airflow_api import AirflowApi
from mushroom_tasks.local.credentials import (
    PASSWORD_BYTES,
    SIGNING_BYTES,
    secret,
    secret_path,
    write_secret,
)
from mushroom_tasks.local.environment import NO_REPORTS, inherited
from mushroom_tasks.local.ports import HOST
from mushroom_tasks.local.process import Process, tail

USER = "admin"
_PASSWORD = "airflow_admin_password"  # noqa: S105 - the file's name
_PASSWORDS = "airflow_passwords.json"
_USERS = "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"
_COMMANDS = {
    "airflow-api-server": ("api-server", "--host", HOST, "--port", "{port}"),
    # Logs are read from the disk: without these flags both would serve them on all interfaces.
    "airflow-scheduler": ("scheduler", "--skip-serve-logs"),
    "airflow-dag-processor": ("dag-processor",),
    "airflow-triggerer": ("triggerer", "--skip-serve-logs"),
}
_LAST = "airflow-triggerer"  # starts when the others are up: nothing waits for it, and starting costs 8 s of CPU

# For one small machine; a variable of the same name in the environment wins.
_TUNING = {
    "AIRFLOW__CORE__PARALLELISM": str(max(2, min(4, os.cpu_count() or 2))),
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",  # a new or changed DAG file is noticed soon
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",  # one that stays as it is costs nothing
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "20",  # tasks of a killed scheduler soon run again
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "30",  # the API server shares the cores with training
    "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "false",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}


class AirflowServer:
    """The Airflow of a home folder."""

    name = "airflow"

    def __init__(self, home: Path, port: int) -> None:
        self.address = f"http://{HOST}:{port}"
        self.user = USER
        self.password_file = secret_path(home, _PASSWORD)
        self.folder = home / "airflow"
        self._home = home
        self._port = port
        self.processes = [Process(home, name) for name in _COMMANDS]

    def start(self, environment: Mapping[str, str]) -> list[Process]:
        """Start what does not run, with `environment` for the tasks; return the processes that were started.

        Raises ServiceError where the DAGs or the tables are not as they should be.
        """
        full = self._environment(environment)
        self._migrate(full)
        return self._start([process for process in self.processes if process.name != _LAST], full)

    def finish(self, environment: Mapping[str, str]) -> list[Process]:
        """Make the pool and start the triggerer, once the rest is up; return the processes that were started."""
        with self.api() as api:
            api.ensure_pool("gpu", 1, "Tasks that embed or train: one at a time on a machine")
        return self._start([p for p in self.processes if p.name == _LAST], self._environment(environment))

    def healthy(self) -> bool:
        """Tell whether API server, scheduler and DAG processor say that they are well."""
        try:
            answer = httpx.get(f"{self.address}/api/v2/monitor/health", timeout=10, trust_env=False)
            parts = answer.json() if answer.is_success else {}
        except (httpx.HTTPError, ValueError):
            return False
        needed = ("metadatabase", "scheduler", "dag_processor")
        return all((parts.get(part) or {}).get("status") == "healthy" for part in needed)

    def api(self) -> AirflowApi:
        """Return a client that logs in as `admin`."""
        return AirflowApi(self.address, USER, self._password())

    def _password(self) -> str:
        return secret(self._home, _PASSWORD, PASSWORD_BYTES)

    def _start(self, processes: list[Process], environment: Mapping[str, str]) -> list[Process]:
        started = []
        for process in processes:
            arguments = [argument.format(port=self._port) for argument in _COMMANDS[process.name]]
            command = [sys.executable, "-m", "airflow", *arguments]
            if process.start(command, environment, self.folder):
                started.append(process)
        return started

    def _environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        project = project_root()
        home, url = self._home, embedded.url(self._home, "airflow")
        write_secret(home, _PASSWORDS, json.dumps({USER: self._password()}))
        tuning = {name: os.environ.get(name, value) for name, value in _TUNING.items()}
        return {
            **tuning,
            **NO_REPORTS,
            **environment,
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW_CONFIG": str(self.folder / "airflow.cfg"),
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
            "AIRFLOW__CORE__DAGS_FOLDER": str(project / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(project / "plugins"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.address}/execution/",
            _USERS: _users(os.environ.get(_USERS, "")),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "false",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(secret_path(home, _PASSWORDS)),
            "AIRFLOW__CORE__FERNET_KEY": secret(home, "airflow_fernet_key"),
            "AIRFLOW__API__SECRET_KEY": secret(home, "airflow_secret_key"),
            "AIRFLOW__API_AUTH__JWT_SECRET": secret(home, "airflow_jwt_secret", SIGNING_BYTES),
            "AIRFLOW__API__HOST": HOST,
            "AIRFLOW__API__PORT": str(self._port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        }

    def _migrate(self, environment: Mapping[str, str]) -> None:
        url, installed = environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"], f"airflow {version('apache-airflow')}"
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if versions.recorded(url) == installed:
            return
        log = self._home / "logs" / "airflow-migrate.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            code = subprocess.run(
                [sys.executable, "-m", "airflow", "db", "migrate"],
                env={**inherited(), **environment}, cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, check=False,
            ).returncode  # fmt: skip
        if code:
            raise ServiceError(f"the tables of {installed} cannot be made or updated. The end of {log}:\n{tail(log)}")
        versions.record(url, installed)


def _users(others: str) -> str:
    """Return Airflow's list of users and roles: ours, and others that the environment names (`ann:user,bob:viewer`).

    Airflow makes their passwords and writes them beside ours, into `secrets/airflow_passwords.json`.
    """
    named = [other for other in others.split(",") if other and other.partition(":")[0] != USER]
    return ",".join([f"{USER}:admin", *named])


def project_root() -> Path:
    """Return the folder that holds `dags` and `plugins`: the clone that the package is used from.

    Raises ServiceError where the package is installed without them.
    """
    root = Path(mushroom_tasks.__file__).resolve().parents[1]
    if not (root / "dags").is_dir():
        raise ServiceError(
            f"the DAGs are not beside the package (looked for {root / 'dags'}). Run this from a clone, with the "
            "package installed from it in place (`make demo` and `pip install -e .` do that)."
        )
    return root
