"""The services of one machine, really started: PostgreSQL, MLflow and Airflow."""

from __future__ import annotations

import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from mushroom_tasks.db import embedded
from mushroom_tasks.errors import ServiceError
from mushroom_tasks.local import stack
from mushroom_tasks.local.process import Process
from mushroom_tasks.local.services import Services
from mushroom_tasks.settings import Settings, load_settings

pytestmark = pytest.mark.e2e

NAMES = ("mlflow", "airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    # Not below pytest's own folder, which each session of pytest closes to others: as root, PostgreSQL is another.
    with tempfile.TemporaryDirectory(prefix="mushroom-", dir="/tmp") as folder:
        yield load_settings({"home": Path(folder) / "home", "source": "https://example.org"})


@pytest.fixture(scope="module")
def taken_ports() -> Iterator[set[int]]:
    """The preferred ports, all of them in use by somebody."""
    with ExitStack() as held:
        for port in stack.PREFERRED_PORTS.values():
            with suppress(OSError):  # in use already
                held.enter_context(socket.create_server(("127.0.0.1", port)))
        yield set(stack.PREFERRED_PORTS.values())


@pytest.fixture
def services(settings: Settings, started: Services) -> Services:
    """The services, all of them running: a test may have stopped some."""
    return stack.up(settings, sample=False)


@pytest.fixture(scope="module")
def started(settings: Settings, taken_ports: set[int]) -> Iterator[Services]:
    yield stack.up(settings, sample=False)
    stack.down(settings)


def _pids(settings: Settings) -> dict[str, int | None]:
    return {state.name: state.pid for state in stack.status(settings)}


def _members(settings: Settings) -> list[psutil.Process]:
    return [member for name in NAMES for member in Process(settings.home, name).members()]


def test_up__starts_everything(started: Services, settings: Settings) -> None:
    assert set(started.started) == {"postgresql", *NAMES}
    found = {state.name: state.state for state in stack.status(settings)}
    assert found == {"postgresql": "running", "sample": "stopped"} | dict.fromkeys(NAMES, "running")


def test_up__replaces_ports_that_are_taken(services: Services, taken_ports: set[int]) -> None:
    assert services.mlflow is not None
    used = {int(login.address.rpartition(":")[2]) for login in (services.airflow, services.mlflow)}
    assert not used & taken_ports


def test_up__again_changes_nothing(services: Services, settings: Settings) -> None:
    before = _pids(settings)
    again = stack.up(settings, sample=False)
    assert again.started == ()
    assert again.airflow == services.airflow
    assert _pids(settings) == before


def test_services__listen_on_loopback_only(services: Services, settings: Settings) -> None:
    listening = {
        connection.laddr.ip
        for member in _members(settings)
        for connection in member.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


@pytest.mark.parametrize("path", ["/", "/api/2.0/mlflow/experiments/search?max_results=1", "/version"])
def test_mlflow__answers_nobody_without_the_password(services: Services, path: str) -> None:
    assert services.mlflow is not None
    address = f"{services.mlflow.address}{path}"
    assert httpx.get(address, timeout=60).status_code == 401
    assert httpx.get(address, timeout=60, auth=("admin", services.mlflow.password)).status_code == 200


def test_airflow__answers_nobody_without_the_password(services: Services) -> None:
    assert httpx.get(f"{services.airflow.address}/api/v2/dags", timeout=60).status_code == 401
    with services.airflow_api() as api:
        assert api.import_errors() == {}


def test_airflow__finds_the_dags_of_the_project(services: Services) -> None:
    deadline = time.monotonic() + 120
    with services.airflow_api() as api:
        while not all(api.has_dag(name) for name in ("inat_ingest", "dataset_build", "model_train")):
            assert time.monotonic() < deadline
            time.sleep(1)


def test_airflow__has_one_slot_for_gpu_tasks(services: Services) -> None:
    login = {"username": services.airflow.user, "password": services.airflow.password}
    with httpx.Client(base_url=services.airflow.address, timeout=60) as client:
        token = client.post("/auth/token", json=login).json()["access_token"]
        pool = client.get("/api/v2/pools/gpu", headers={"Authorization": f"Bearer {token}"}).json()
    assert pool["slots"] == 1


def test_airflow_api__names_what_is_refused(services: Services) -> None:
    with services.airflow_api() as api, pytest.raises(ServiceError, match=r"no-such-dag.*404"):
        api.trigger("no-such-dag")


def test_secrets__are_in_no_log_and_in_no_argument(services: Services, settings: Settings) -> None:
    secrets = [path.read_text() for path in (settings.home / "secrets").iterdir()]
    assert len(secrets) >= 6
    text = "\n".join(
        [
            *(path.read_text(errors="replace") for path in (settings.home / "logs").iterdir()),
            *(path.read_text() for path in (settings.home / "run").glob("*.json")),
            *(" ".join(member.cmdline()) for member in _members(settings)),
        ]
    )
    assert [secret for secret in secrets if secret in text] == []
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (settings.home / "secrets").iterdir()}
    assert modes == {0o600}


def test_check__notices_a_service_that_died_and_up_brings_it_back(services: Services, settings: Settings) -> None:
    before = _pids(settings)
    members = Process(settings.home, "airflow-dag-processor").members()
    for member in members:
        member.kill()
    psutil.wait_procs(members, timeout=30)
    with pytest.raises(ServiceError, match="airflow-dag-processor has ended by itself"):
        services.check()
    again = stack.up(settings, sample=False)
    assert again.started == ("airflow-dag-processor",)
    after = _pids(settings)
    assert {name for name in before if before[name] != after[name]} == {"airflow-dag-processor"}


def test_up__says_why_a_service_does_not_start_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__LOGGING__LOGGING_LEVEL", "NOISY")
    with tempfile.TemporaryDirectory(prefix="mushroom-", dir="/tmp") as folder:
        settings = load_settings({"home": folder})
        with pytest.raises(ServiceError, match="NOISY") as caught:
            stack.up(settings, sample=False)
        assert str(settings.home / "logs") in str(caught.value)
        assert {state.state for state in stack.status(settings)} == {"stopped"}
        assert not embedded.is_running(settings.home)
        assert _members(settings) == []


def test_down__stops_everything_and_is_harmless_when_repeated(services: Services, settings: Settings) -> None:
    members = _members(settings)
    stack.down(settings)
    assert {state.state for state in stack.status(settings)} == {"stopped"}
    assert not any(member.is_running() and member.status() != psutil.STATUS_ZOMBIE for member in members)
    stack.down(settings)
    # The next start finds its ports, passwords and tables again.
    again = stack.up(settings, sample=False)
    assert (again.airflow, again.mlflow) == (services.airflow, services.mlflow)


def test_down__is_harmless_where_nothing_ever_ran(tmp_path: Path) -> None:
    stack.down(load_settings({"home": tmp_path / "nothing"}))
    assert not (tmp_path / "nothing").exists()
