"""What a display shows of a DAG run: its tasks in order, their states, counts from the progress files.

view = run_view(run, api.tasks(run), api.task_order(run.dag_id), progress_notes(home / "progress"))
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mushroom_tasks.local.airflow_api import DagRun, TaskInstance

_FRESH_SECONDS = 15.0  # a progress file that was not written for so long belongs to work that is over
_KNOWN = ("stage", "done", "total", "unit")

# The state of several mapped instances together is the first of these that one of them has.
_PRECEDENCE = (
    "failed", "up_for_retry", "running", "restarting", "deferred", "queued", "scheduled", "upstream_failed",
    "", "removed", "success", "skipped",
)  # fmt: skip


@dataclass(frozen=True)
class TaskView:
    """A task with all its mapped instances; `note` holds counts of work under way."""

    task_id: str
    state: str
    done: int
    total: int
    seconds: float
    note: str = ""


@dataclass(frozen=True)
class RunView:
    """A run of a DAG."""

    dag_id: str
    run_id: str
    state: str
    seconds: float
    tasks: tuple[TaskView, ...]


def run_view(run: DagRun, tasks: Sequence[TaskInstance], order: Sequence[str], notes: Mapping[str, str]) -> RunView:
    """Return the view of a run; `notes` are shown at the running tasks of their names, or at the first running one.

    `order` names the DAG's tasks. Notes of tasks of other DAGs are to be left out by the caller.
    """
    views = [_task_view(name, [task for task in tasks if task.task_id == name]) for name in order]
    names = {view.task_id for view in views}
    others = "; ".join(text for stage, text in notes.items() if stage not in names)
    shown = []
    for view in views:
        note = ""
        if view.state == "running":
            note = "; ".join(filter(None, [notes.get(view.task_id, ""), others]))
            others = ""
        shown.append(TaskView(view.task_id, view.state, view.done, view.total, view.seconds, note))
    return RunView(run.dag_id, run.run_id, run.state, _span(run.start, run.end), tuple(shown))


def progress_notes(folder: Path, now: float | None = None) -> dict[str, str]:
    """Return a line of counts for each stage under way, by the stage's name.

    Files of one name in subfolders belong to shards of one stage and are added up.
    """
    now = time.time() if now is None else now
    shards: dict[str, list[Mapping[str, Any]]] = {}
    for path in sorted(folder.rglob("*.json")):
        try:
            if now - path.stat().st_mtime < _FRESH_SECONDS:
                content = json.loads(path.read_text(encoding="utf-8"))
                shards.setdefault(str(content["stage"]), []).append(content)
        except (OSError, ValueError, KeyError, TypeError):
            continue  # replaced while it was read; the next look finds it
    return {stage: _counts(contents) for stage, contents in shards.items()}


def _task_view(task_id: str, instances: Sequence[TaskInstance]) -> TaskView:
    states = {instance.state for instance in instances}
    state = next((known for known in _PRECEDENCE if known in states), "")
    started = [instance.start for instance in instances if instance.start]
    ended = [instance.end for instance in instances if instance.end]
    over = len(ended) == len(instances)
    seconds = _span(min(started), max(ended) if over else None) if started else 0.0
    finished = sum(instance.state in ("success", "skipped") for instance in instances)
    return TaskView(task_id, state, finished, len(instances), seconds)


def _span(start: datetime | None, end: datetime | None) -> float:
    if start is None:
        return 0.0
    return max(0.0, ((end or datetime.now(UTC)) - start).total_seconds())


def _counts(contents: Sequence[Mapping[str, Any]]) -> str:
    done, total = (sum(content.get(key, 0) for content in contents) for key in ("done", "total"))
    unit = str(contents[-1].get("unit", ""))
    if unit == "bytes":
        done, total, unit = round(done / 1e6, 1), round(total / 1e6, 1), "MB"
    details = [f"{name} {value}" for name, value in contents[-1].items() if name not in _KNOWN]
    return ", ".join([f"{done}/{total} {unit}" if total else f"{done} {unit}", *details])
