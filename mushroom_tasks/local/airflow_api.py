"""A client of Airflow's REST API v2: the few calls that the stack and the demo need.

with AirflowApi("http://127.0.0.1:8080", "admin", password) as api:
    run = api.trigger("inat_ingest")
    tasks = api.tasks(run)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from mushroom_tasks.errors import ServiceError

ACTIVE = ("queued", "running")
_TIMEOUT = 60.0  # seconds; the API server shares the cores with training
_PAGE = 100


@dataclass(frozen=True)
class DagRun:
    """One run of a DAG; `state` is queued, running, success or failed."""

    dag_id: str
    run_id: str
    state: str
    start: datetime | None
    end: datetime | None

    @property
    def is_active(self) -> bool:
        """Tell whether it still waits or works."""
        return self.state in ACTIVE


@dataclass(frozen=True)
class TaskInstance:
    """One task of a run, one of its mapped instances where `map_index` is not -1; `state` is "" before scheduling."""

    task_id: str
    map_index: int
    state: str
    try_number: int
    start: datetime | None
    end: datetime | None


class AirflowApi:
    """A session with an Airflow; logs in when it is first needed.

    Every method raises ServiceError where Airflow does not answer, or refuses.
    """

    def __init__(self, address: str, user: str, password: str) -> None:
        self.address = address
        self._login = {"username": user, "password": password}
        # The server is on this machine: a proxy of the environment is not the way to it.
        self._client = httpx.Client(base_url=address, timeout=_TIMEOUT, trust_env=False)

    def __enter__(self) -> AirflowApi:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def has_dag(self, dag_id: str) -> bool:
        """Tell whether a DAG has been parsed."""
        return self._send("GET", f"/dags/{quote(dag_id)}", allow=(404,)).is_success

    def import_errors(self) -> dict[str, str]:
        """Return the traceback of each DAG file that cannot be parsed."""
        found = self._get("/importErrors")["import_errors"]
        return {str(item["filename"]): str(item["stack_trace"]) for item in found}

    def unpause(self, dag_id: str) -> None:
        """Let a DAG's runs start."""
        self._send("PATCH", f"/dags/{quote(dag_id)}", json={"is_paused": False})

    def trigger(self, dag_id: str) -> DagRun:
        """Start a run now, with the default parameters."""
        # Without a logical date no two runs can collide, and it has to be said that there is none.
        answer = self._send("POST", f"/dags/{quote(dag_id)}/dagRuns", json={"logical_date": None})
        return _dag_run(answer.json())

    def run(self, run: DagRun) -> DagRun:
        """Return a run as it is now."""
        return _dag_run(self._get(_path(run)))

    def runs(self, dag_id: str, limit: int = 10) -> list[DagRun]:
        """Return a DAG's last runs, newest first."""
        found = self._get(f"/dags/{quote(dag_id)}/dagRuns", {"order_by": "-run_after", "limit": limit})
        return [_dag_run(item) for item in found["dag_runs"]]

    def active_run(self, dag_id: str) -> DagRun | None:
        """Return a DAG's run that waits or works: the oldest one, it comes first."""
        active = [run for run in self.runs(dag_id) if run.is_active]
        return active[-1] if active else None

    def run_caused_by(self, dag_id: str, cause: DagRun) -> DagRun | None:
        """Return the run of `dag_id` that an asset of the run `cause` has set off, or None (yet)."""
        for run in self.runs(dag_id):
            events = self._get(f"{_path(run)}/upstreamAssetEvents")["asset_events"]
            if any(event["source_run_id"] == cause.run_id for event in events):
                return run
        return None

    def tasks(self, run: DagRun) -> list[TaskInstance]:
        """Return all task instances of a run."""
        return [_task_instance(item) for item in self._pages(f"{_path(run)}/taskInstances", "task_instances")]

    def task_order(self, dag_id: str) -> list[str]:
        """Return the ids of a DAG's tasks, each after those it waits for."""
        tasks = self._get(f"/dags/{quote(dag_id)}/tasks")["tasks"]
        waits = {task["task_id"]: {up["task_id"] for up in tasks if task["task_id"] in up["downstream_task_ids"]}
                 for task in tasks}  # fmt: skip
        ordered: list[str] = []
        while waits:
            ready = sorted(task for task, before in waits.items() if before <= set(ordered))
            ordered += ready or sorted(waits)
            waits = {task: before for task, before in waits.items() if task not in ordered}
        return ordered

    def ensure_pool(self, name: str, slots: int, description: str) -> None:
        """Make a pool where there is none of that name; one that is there keeps its slots."""
        if not self._send("GET", f"/pools/{quote(name)}", allow=(404,)).is_success:
            pool = {"name": name, "slots": slots, "description": description}
            self._send("POST", "/pools", json=pool, allow=(409,))

    def _get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        return self._send("GET", path, params=params).json()

    def _pages(self, path: str, key: str) -> Iterator[Any]:
        offset, total = 0, 1
        while offset < total:
            page = self._get(path, {"limit": _PAGE, "offset": offset})
            yield from page[key]
            total, offset = page["total_entries"], offset + _PAGE

    def _send(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        allow: tuple[int, ...] = (),
    ) -> httpx.Response:
        try:
            if "Authorization" not in self._client.headers:
                self._log_in()
            answer = self._client.request(method, f"/api/v2{path}", json=json, params=params)
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                self._log_in()
                answer = self._client.request(method, f"/api/v2{path}", json=json, params=params)
        except httpx.HTTPError as error:
            raise ServiceError(
                f"Airflow at {self.address} does not answer: {error!r}. See `mushroom status`."
            ) from error
        if not answer.is_success and answer.status_code not in allow:
            raise ServiceError(f"Airflow refuses {method} {path}. Received: {answer.status_code} {answer.text[:500]}")
        return answer

    def _log_in(self) -> None:
        answer = self._client.post("/auth/token", json=self._login)
        if not answer.is_success:
            raise ServiceError(
                f"Airflow at {self.address} does not take the login of user {self._login['username']!r}. "
                f"Received: {answer.status_code}. Its password is in the home folder's `secrets`."
            )
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def _path(run: DagRun) -> str:
    return f"/dags/{quote(run.dag_id)}/dagRuns/{quote(run.run_id, safe='')}"


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _dag_run(item: Mapping[str, Any]) -> DagRun:
    return DagRun(item["dag_id"], item["dag_run_id"], item["state"], _time(item["start_date"]), _time(item["end_date"]))


def _task_instance(item: Mapping[str, Any]) -> TaskInstance:
    return TaskInstance(
        task_id=item["task_id"],
        map_index=item["map_index"],
        state=item["state"] or "",
        try_number=item["try_number"],
        start=_time(item["start_date"]),
        end=_time(item["end_date"]),
    )
