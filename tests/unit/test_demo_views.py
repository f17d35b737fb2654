"""What the demo shows of runs, counts and logs."""

from __future__ import annotations

import io
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from mushroom_tasks.local.airflow_api import DagRun, TaskInstance
from mushroom_tasks.local.display import LiveDisplay, PlainDisplay, open_display
from mushroom_tasks.local.task_logs import log_path, tail
from mushroom_tasks.local.views import progress_notes, run_view
from mushroom_tasks.progress import Progress

START = datetime(2026, 11, 1, tzinfo=UTC)
RUN = DagRun("dataset_build", "manual__1", "running", START, None)


def _task(name: str, state: str, index: int = -1, seconds: float | None = None) -> TaskInstance:
    end = None if seconds is None else START + timedelta(seconds=seconds)
    return TaskInstance(name, index, state, 1, START, end)


def test_run_view__adds_up_mapped_tasks_in_order() -> None:
    tasks = [
        _task("publish", ""),
        _task("download", "success", 0, 4.0),
        _task("download", "running", 1),
        _task("select", "success", -1, 2.0),
    ]
    view = run_view(RUN, tasks, ["select", "download", "publish"], {})
    assert [(task.task_id, task.state, task.done, task.total) for task in view.tasks] == [
        ("select", "success", 1, 1),
        ("download", "running", 1, 2),
        ("publish", "", 0, 1),
    ]
    assert view.tasks[0].seconds == 2.0


def test_run_view__one_failed_shard_is_a_failed_task() -> None:
    tasks = [_task("download", "success", 0, 1.0), _task("download", "failed", 1, 2.0)]
    assert run_view(RUN, tasks, ["download"], {}).tasks[0].state == "failed"


def test_run_view__puts_counts_to_running_tasks_only() -> None:
    tasks = [_task("download", "success", -1, 1.0), _task("embed", "running")]
    notes = {"download": "40/40 photos", "embed": "3/40 photos", "prepare": "9/9 photos"}
    view = run_view(RUN, tasks, ["download", "embed"], notes)
    assert [task.note for task in view.tasks] == ["", "3/40 photos; 9/9 photos"]


def test_progress_notes__add_up_shards_and_pass_over_what_is_old(tmp_path: Path) -> None:
    for shard, failed in (("0", 0), ("1", 2)):
        with Progress("download", 20, "photos", tmp_path / shard) as progress:
            progress.advance(5, failed=failed)
    with Progress("embed", 20, "photos", tmp_path):
        pass
    os.utime(tmp_path / "embed.json", (0, 0))
    (tmp_path / "damaged.json").write_text("{")
    assert progress_notes(tmp_path) == {"download": "10/40 photos, failed 2"}


def test_progress_notes__show_bytes_as_megabytes(tmp_path: Path) -> None:
    with Progress("snapshot", 2_000_000, "bytes", tmp_path) as progress:
        progress.advance(500_000)
    assert progress_notes(tmp_path)["snapshot"] == "0.5/2.0 MB"


def test_progress_notes__are_none_before_any_work(tmp_path: Path) -> None:
    assert progress_notes(tmp_path / "missing") == {}


def test_plain_display__prints_each_change_once() -> None:
    output = io.StringIO()
    view = run_view(RUN, [_task("download", "success", -1, 4.0)], ["download"], {})
    with PlainDisplay(Console(file=output)) as display:
        display.service("mlflow", "http://127.0.0.1:5000", 24.0)
        display.show(view)
        display.show(view)
    lines = output.getvalue().splitlines()
    assert len(lines) == 2
    assert "mlflow is up after 24.0 s: http://127.0.0.1:5000" in lines[0]
    assert "dataset_build.download: success after 4.0 s" in lines[1]


def test_live_display__draws_tasks_with_their_counts() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, _environ={"TERM": "xterm"})
    with open_display(console) as display:
        assert isinstance(display, LiveDisplay)
        display.show(run_view(RUN, [_task("embed", "running")], ["embed"], {"embed": "3/40 photos"}))
    assert isinstance(console.file, io.StringIO)
    assert "3/40 photos" in console.file.getvalue()


def test_open_display__prints_plain_lines_where_there_is_no_terminal() -> None:
    assert isinstance(open_display(Console(file=io.StringIO())), PlainDisplay)


def test_log_path__is_airflows_own(tmp_path: Path) -> None:
    path = log_path(tmp_path, RUN, _task("download", "failed", 2))
    assert path == tmp_path / "logs/dag_id=dataset_build/run_id=manual__1/task_id=download/map_index=2/attempt=1.log"


def test_tail__reads_structured_lines_and_passes_on_others(tmp_path: Path) -> None:
    path = tmp_path / "attempt=1.log"
    entry = {
        "timestamp": "2026-11-22T15:44:51.833946Z",
        "level": "error",
        "event": "Task failed",
        "error_detail": [{"exc_type": "ValueError", "exc_value": "no luck"}],
    }
    path.write_text(f"plain text\n{json.dumps(entry)}\n[1]\n")
    assert tail(path) == ["plain text", "15:44:51 error   Task failed", "    ValueError: no luck", "[1]"]


def test_tail__says_that_there_is_no_log(tmp_path: Path) -> None:
    assert "no log" in tail(tmp_path / "missing.log")[0]
