"""What the demo shows while it works: a live table on a terminal, plain lines anywhere else.

with open_display(Console()) as display:
    display.service("mlflow", "http://127.0.0.1:5000", 24.0)
    display.show(run_view(...))
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mushroom_tasks.local.views import RunView, TaskView

_MARKS = {
    "success": ("✓", "green"),
    "skipped": ("-", "dim"),
    "running": ("▸", "cyan"),
    "failed": ("✗", "red"),
    "upstream_failed": ("✗", "dim"),
    "up_for_retry": ("↻", "yellow"),
}
_SETTLED = ("success", "skipped", "failed", "upstream_failed")
_PLAIN_SECONDS = 10.0  # between lines of counts where nothing else changes


class Display(Protocol):
    """Where the demo reports to."""

    def __enter__(self) -> Display: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def say(self, text: str) -> None:
        """Show a line that stays."""

    def service(self, name: str, address: str, seconds: float) -> None:
        """Show that a service is up, and after how long."""

    def show(self, view: RunView) -> None:
        """Show a run as it is now."""


def open_display(console: Console) -> Display:
    """Return the display that fits where the output goes."""
    return LiveDisplay(console) if console.is_terminal else PlainDisplay(console)


class PlainDisplay:
    """One line per event, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = time.monotonic()
        self._shown: dict[tuple[str, str, str], str] = {}
        self._last_note = 0.0

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is kept open."""

    def say(self, text: str) -> None:
        """Print a line with the time since the start."""
        line = Text(f"{time.monotonic() - self._start:7.1f} s  {text}")
        self._console.print(line, soft_wrap=True)

    def service(self, name: str, address: str, seconds: float) -> None:
        """Print the service."""
        self.say(_service_line(name, address, seconds))

    def show(self, view: RunView) -> None:
        """Print what has changed since this run was shown last; counts now and then."""
        for task in view.tasks:
            key = (view.dag_id, view.run_id, task.task_id)
            state = f"{task.state} {task.done}/{task.total}" if task.total > 1 else task.state
            if self._shown.get(key, "") != state:
                self._shown[key] = state
                if task.state in (*_SETTLED, "running", "up_for_retry"):
                    after = f" after {task.seconds:.1f} s" if task.state in _SETTLED else ""
                    self.say(f"{view.dag_id}.{task.task_id}: {state.strip()}{after}")
        notes = [f"{view.dag_id}.{task.task_id}: {task.note}" for task in view.tasks if task.note]
        if notes and time.monotonic() - self._last_note > _PLAIN_SECONDS:
            self._last_note = time.monotonic()
            self.say("; ".join(notes))


class LiveDisplay:
    """A table that changes in place."""

    def __init__(self, console: Console) -> None:
        self._start = time.monotonic()
        self._runs: dict[tuple[str, str], RunView] = {}
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._render)

    def __enter__(self) -> LiveDisplay:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        """Print a line above the table."""
        self._live.console.print(Text(text))

    def service(self, name: str, address: str, seconds: float) -> None:
        """Print the service above the table."""
        self._live.console.print(Text("✓ ", "green") + Text(_service_line(name, address, seconds)))

    def show(self, view: RunView) -> None:
        """Put the run into the table."""
        self._runs[view.dag_id, view.run_id] = view

    def _render(self) -> Group:
        table = Table.grid(padding=(0, 1))
        for view in self._runs.values():
            table.add_row("", Text(view.dag_id, "bold"), view.state, _clock(view.seconds), "")
            for task in view.tasks:
                table.add_row(*_cells(task))
        return Group(table, Text(f"{_clock(time.monotonic() - self._start)} since the start", "dim"))


def _cells(task: TaskView) -> tuple[Text, Text, Text, Text, Text]:
    mark, style = _MARKS.get(task.state, ("·", "dim"))
    state = task.state.replace("_", " ") or "waiting"
    counted = f"{state} {task.done}/{task.total}" if task.total > 1 else state
    took = _clock(task.seconds) if task.seconds else ""
    return Text(mark, style), Text(f"  {task.task_id}"), Text(counted, style), Text(took), Text(task.note)


def _service_line(name: str, address: str, seconds: float) -> str:
    return f"{name} is up after {seconds:.1f} s{f': {address}' if address else ''}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
