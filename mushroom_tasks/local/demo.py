"""The demo: bring the services up, run the whole workflow through Airflow, show it live, tell what came out.

code = run(load_settings(), use_sample=True, exit_when_done=False)
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from rich.console import Console
from rich.text import Text

from mushroom_tasks.errors import ServiceError
from mushroom_tasks.local import stack, summary
from mushroom_tasks.local.chain import Chain
from mushroom_tasks.local.display import Display, open_display
from mushroom_tasks.local.services import Services
from mushroom_tasks.progress import duration
from mushroom_tasks.settings import Settings


def run(settings: Settings, *, use_sample: bool = True, exit_when_done: bool = False) -> int:
    """Run the demo and return its exit code: 0, or 130 where it was interrupted.

    With `use_sample`, and no source in the settings, the sample bucket is the source. Without `exit_when_done` the
    services stay up until Ctrl-C; those that ran before the demo stay up in any case.

    Raises
    ------
    ServiceError
        A service does not start, or a task fails; with the end of its log.
    """
    console = Console(highlight=False)
    # What the display shows in its own way would be told twice, and break into a live table.
    logging.getLogger("mushroom_tasks").setLevel(logging.WARNING)
    start = time.monotonic()
    sample = use_sample and "source" not in settings.model_fields_set
    try:
        with _ended_by_signals(), _stopped_at_the_end(settings, console):
            with open_display(console) as display:
                services = _work(settings, display, sample=sample)
            _tell(console, settings, services, time.monotonic() - start)
            if not exit_when_done:
                _wait_for_ctrl_c(console, services)
    except KeyboardInterrupt:
        console.print("Interrupted. What is done stays done: the next start carries on from there.")
        return 130
    return 0


def _work(settings: Settings, display: Display, *, sample: bool) -> Services:
    drawing = ", and drawing the sample bucket" if sample else ""
    display.say(f"starting the services{drawing}; this takes about a minute the first time")
    services = stack.up(settings, sample=sample, on_ready=display.service)
    with services.airflow_api() as api:
        Chain(api, display, settings, services.check).run()
    return services


def _tell(console: Console, settings: Settings, services: Services, seconds: float) -> None:
    found = summary.finished(settings)
    if found is None:
        raise ServiceError(
            f"all three DAGs have succeeded, but there is no bundle of the newest data set in {settings.store}. "
            f"Look at the runs in Airflow, {services.airflow.address}, and run this again."
        )
    lines = ["", *summary.describe(settings, found), "", services.describe(reveal=console.is_terminal)]
    console.print(Text("\n".join([*lines, f"Time      {duration(seconds)}"])), soft_wrap=True)


def _wait_for_ctrl_c(console: Console, services: Services) -> None:
    console.print("\nThe services stay up until Ctrl-C.")
    try:
        while True:
            time.sleep(2.0)
            services.check()
    except KeyboardInterrupt:
        console.print()


@contextmanager
def _stopped_at_the_end(settings: Settings, console: Console) -> Iterator[None]:
    """Stop the services at the end, unless they ran before."""
    ran_before = stack.is_running(settings)
    try:
        yield
    finally:
        if ran_before:
            console.print("The services ran before the demo and stay up; `mushroom down` stops them.")
        else:
            try:
                console.print("Stopping the services.")
            finally:  # also where the terminal is gone
                stack.down(settings)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Take a request to end, or a closed terminal, as Ctrl-C: nothing is left running."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(_number: int, _frame: object) -> NoReturn:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)  # nothing is to break off the stopping
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
