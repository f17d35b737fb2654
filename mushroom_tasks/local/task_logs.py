"""The logs that Airflow's tasks leave on this machine's disk, as lines to read.

log = log_path(airflow_home, run, task)
lines = tail(log)
"""

from __future__ import annotations

import json
from pathlib import Path

from mushroom_tasks.local.airflow_api import DagRun, TaskInstance

_LINES = 25
_FRAMES = 3  # of a traceback: the innermost ones


def log_path(airflow_home: Path, run: DagRun, task: TaskInstance) -> Path:
    """Return where the last attempt of a task has written its log."""
    folder = airflow_home / "logs" / f"dag_id={run.dag_id}" / f"run_id={run.run_id}" / f"task_id={task.task_id}"
    if task.map_index >= 0:
        folder /= f"map_index={task.map_index}"
    return folder / f"attempt={task.try_number}.log"


def tail(path: Path, lines: int = _LINES) -> list[str]:
    """Return the last lines of a log, each entry as time, level and message; what is no entry as it stands."""
    try:
        content = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return [f"(no log: {error})"]
    return [line for entry in content.splitlines()[-lines:] for line in _readable(entry)][-lines:]


def _readable(entry: str) -> list[str]:
    try:
        fields = json.loads(entry)
        text = f"{fields['timestamp'][11:19]} {fields.get('level', ''):<7} {fields['event']}"
    except (ValueError, KeyError, TypeError):
        return entry.splitlines()
    lines = text.splitlines()
    for cause in fields.get("error_detail") or []:
        frames = (cause.get("frames") or [])[-_FRAMES:]
        lines += [f"    {frame.get('filename')}:{frame.get('lineno')} in {frame.get('name')}" for frame in frames]
        lines.append(f"    {cause.get('exc_type')}: {cause.get('exc_value')}")
    return lines
