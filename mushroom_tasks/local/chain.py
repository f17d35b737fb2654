"""The three DAGs as one job: start or join `inat_ingest`, then follow its assets to the end.

Chain(api, display, settings, services.check).run()
"""

from __future__ import annotations

import time
from collections.abc import Callable

from mushroom_tasks.errors import ServiceError
from mushroom_tasks.local import summary, task_logs
from mushroom_tasks.local.airflow_api import AirflowApi, DagRun, TaskInstance
from mushroom_tasks.local.display import Display
from mushroom_tasks.local.views import progress_notes, run_view
from mushroom_tasks.settings import Settings

INGEST, BUILD, TRAIN = DAGS = ("inat_ingest", "dataset_build", "model_train")
_POLL_SECONDS = 1.0
_PARSE_SECONDS = 120.0  # until the DAG processor has seen the DAG files
_HANDOVER_SECONDS = 60.0  # until the scheduler has turned an asset's event into a run
_PATIENCE = 5  # calls in a row that may fail while training keeps the machine busy


class Chain:
    """One pass through the three DAGs.

    Parameters
    ----------
    check
        Called at each look at Airflow; raises ServiceError where a service has died.
    """

    def __init__(self, api: AirflowApi, display: Display, settings: Settings, check: Callable[[], None]) -> None:
        self._api = api
        self._display = display
        self._settings = settings
        self._check = check
        self._orders: dict[str, list[str]] = {}

    def run(self) -> None:
        """Carry on until a model of the newest data set is finished; what is done is not done again.

        Runs that an earlier, interrupted demo has left are joined. Raises ServiceError where a task fails, with
        the end of its log.
        """
        self._await_dags()
        ingest = self._follow(self._join_or_trigger(INGEST))
        build = self._next(BUILD, ingest)
        if build is None and self._api.active_run(TRAIN) is None:
            if self._is_finished():
                self._display.say("nothing new at the source, and the model of the newest data set is finished")
                return
            build = self._start(BUILD)
        if build is not None:
            build = self._follow(build)
        train = self._next(TRAIN, build)
        if train is None and not self._is_finished():
            train = self._start(TRAIN)
        if train is not None:
            self._follow(train)

    def _await_dags(self) -> None:
        deadline = time.monotonic() + _PARSE_SECONDS
        while missing := [dag for dag in DAGS if not self._api.has_dag(dag)]:
            self._check()
            if errors := self._api.import_errors():
                name, trace = next(iter(errors.items()))
                raise ServiceError(f"Airflow cannot read {name}:\n{trace}")
            if time.monotonic() > deadline:
                raise ServiceError(f"Airflow does not find the DAGs {missing} after {_PARSE_SECONDS:.0f} s.")
            time.sleep(_POLL_SECONDS)
        self._orders = {dag: self._api.task_order(dag) for dag in DAGS}

    def _join_or_trigger(self, dag_id: str) -> DagRun:
        # Triggered while it is still paused, a run comes before the one that the schedule may ask for.
        run = self._api.active_run(dag_id)
        if run is not None:
            self._display.say(f"{dag_id} is under way already: {run.run_id}")
        else:
            run = self._start(dag_id)
        for dag in DAGS:
            self._api.unpause(dag)
        return run

    def _start(self, dag_id: str) -> DagRun:
        run = self._api.trigger(dag_id)
        self._display.say(f"{dag_id} triggered: {run.run_id}")
        return run

    def _next(self, dag_id: str, cause: DagRun | None) -> DagRun | None:
        """Return the run that `cause` has set off, or one that is under way anyway, or None."""
        deadline = time.monotonic() + _HANDOVER_SECONDS
        while cause is not None and not self._was_skipped(cause):
            self._check()
            if found := self._api.run_caused_by(dag_id, cause):
                return found
            if time.monotonic() > deadline:
                break
            time.sleep(_POLL_SECONDS)
        return self._api.active_run(dag_id)

    def _was_skipped(self, run: DagRun) -> bool:
        return any(task.state == "skipped" for task in self._api.tasks(run))

    def _is_finished(self) -> bool:
        last = next(iter(self._api.runs(TRAIN, limit=1)), None)
        return last is not None and last.state == "success" and summary.finished(self._settings) is not None

    def _follow(self, run: DagRun) -> DagRun:
        """Show a run until it ends; ServiceError where it fails."""
        failures = 0
        while True:
            self._check()
            try:
                run, tasks = self._look(run)
                failures = 0
            except ServiceError:
                failures += 1
                if failures >= _PATIENCE:
                    raise
            else:
                if run.state == "success":
                    return run
                if not run.is_active:
                    raise ServiceError(self._explain(run, tasks))
            time.sleep(_POLL_SECONDS)

    def _look(self, run: DagRun) -> tuple[DagRun, list[TaskInstance]]:
        run, tasks = self._api.run(run), self._api.tasks(run)
        elsewhere = {task for dag, order in self._orders.items() if dag != run.dag_id for task in order}
        notes = progress_notes(self._settings.home / "progress")
        notes = {stage: note for stage, note in notes.items() if stage not in elsewhere}
        self._display.show(run_view(run, tasks, self._orders[run.dag_id], notes))
        return run, tasks

    def _explain(self, run: DagRun, tasks: list[TaskInstance]) -> str:
        failed = [task for task in tasks if task.state == "failed"]
        if not failed:
            return f"{run.dag_id} has ended as {run.state}: {self._api.address}/dags/{run.dag_id}/runs/{run.run_id}"
        task = failed[0]
        path = task_logs.log_path(self._settings.home / "airflow", run, task)
        index = f"[{task.map_index}]" if task.map_index >= 0 else ""
        log = "\n".join(task_logs.tail(path))
        return (
            f"the task {run.dag_id}.{task.task_id}{index} has failed (attempt {task.try_number}). "
            f"The end of its log:\n{log}\nThe whole log: {path}"
        )
