"""The MLflow server of one machine: its tables in the embedded PostgreSQL, artifacts in the home folder.

Every page and endpoint but `/health` asks for the password of `admin`, which is made at the first start.

    server = MlflowServer(home, 5000)
    server.start()
    server.environment()          # what a client needs
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import httpx

from mushroom_tasks.db import embedded
from mushroom_tasks.errors import ServiceError
from mushroom_tasks.local import versions
from mushroom_tasks.local.credentials import PASSWORD_BYTES, secret, secret_path
from mushroom_tasks.local.environment import NO_REPORTS, inherited
from mushroom_tasks.local.ports import HOST
from mushroom_tasks.local.process import Process

USER = "admin"
_PASSWORD = "mlflow_admin_password"  # noqa: S105 - the file's name


class MlflowServer:
    """The server of a home folder."""

    name = "mlflow"

    def __init__(self, home: Path, port: int) -> None:
        self.address = f"http://{HOST}:{port}"
        self.user = USER
        self.password_file = secret_path(home, _PASSWORD)
        self._home = home
        self._port = port
        self._folder = home / "mlflow"
        self.processes = [Process(home, self.name)]

    def start(self) -> list[Process]:
        """Start the server where it does not run; return the processes that were started."""
        url = embedded.url(self._home, "mlflow")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._upgrade(url)
        command = [
            sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(self._port), "--workers", "1",
            "--app-name", "basic-auth", "--artifacts-destination", str(self._folder / "artifacts"),
        ]  # fmt: skip
        (process,) = self.processes
        return [process] if process.start(command, self._server_environment(url), self._folder) else []

    def healthy(self) -> bool:
        """Tell whether the server answers and knows our password.

        Raises ServiceError where it refuses the password.
        """
        try:
            answer = httpx.get(
                f"{self.address}/api/2.0/mlflow/experiments/search",
                params={"max_results": 1},
                auth=(USER, self._password()),
                timeout=10,
                trust_env=False,
            )
        except httpx.HTTPError:
            return False
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise ServiceError(
                f"MLflow refuses the password of `{USER}` in {self.password_file}: its database was made with "
                "another one. Put the old file back, or set that password to the one of the file."
            )
        return answer.is_success

    def environment(self) -> dict[str, str]:
        """Return the variables of a client."""
        return {
            "MUSHROOM_MLFLOW_TRACKING_URI": self.address,
            "MLFLOW_TRACKING_URI": self.address,
            "MLFLOW_TRACKING_USERNAME": USER,
            "MLFLOW_TRACKING_PASSWORD": self._password(),
        }

    def _password(self) -> str:
        return secret(self._home, _PASSWORD, PASSWORD_BYTES)

    def _server_environment(self, url: str) -> dict[str, str]:
        configuration = self._folder / "auth.ini"
        configuration.write_text(
            "[mlflow]\ndefault_permission = READ\nauthorization_function = "
            "mlflow.server.auth:authenticate_request_basic_auth\n"
            f"database_uri = {url.replace('%', '%%')}\nadmin_username = {USER}\n",
            encoding="utf-8",
        )
        return NO_REPORTS | {
            "MLFLOW_BACKEND_STORE_URI": url,
            "MLFLOW_AUTH_CONFIG_PATH": str(configuration),
            "MLFLOW_AUTH_ADMIN_PASSWORD": self._password(),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secret(self._home, "mlflow_secret_key"),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # 8 processes and 1.4 GB that nothing here uses
        }

    def _upgrade(self, url: str) -> None:
        """Bring the tables of an older MLflow up to date; an empty database is filled by the server itself."""
        installed = f"mlflow {version('mlflow')}"
        if versions.recorded(url) == installed:
            return
        if not versions.is_empty(url):
            result = subprocess.run(
                [sys.executable, "-m", "mlflow", "db", "upgrade", url],
                env=inherited() | NO_REPORTS, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if result.returncode:
                raise ServiceError(f"the tables of MLflow cannot be brought to {installed}: {result.stderr[-2000:]}")
        versions.record(url, installed)
