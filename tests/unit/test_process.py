"""Background processes: start, find again, stop, and never another program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from mushroom_tasks.errors import ServiceError
from mushroom_tasks.local.process import Process, stop

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
]
PARENT = [
    sys.executable,
    "-c",
    "import subprocess, sys, time; c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "print(c.pid, flush=True); time.sleep(60)",
]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path, "service")
    yield process
    stop([process], grace=0.1)


def _wait(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _pid_file(home: Path) -> Path:
    return home / "run" / "service.json"


def test_start__runs_in_the_background_with_its_log(process: Process, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os, time; print(os.environ['COLOUR'], flush=True); time.sleep(60)"]
    assert process.start(command, {"COLOUR": "red"}, tmp_path / "folder")
    _wait(lambda: "red" in process.log_tail())
    assert process.find() is not None


def test_start__twice_is_harmless(process: Process, tmp_path: Path) -> None:
    process.start(SLEEP, {}, tmp_path)
    first = process.find()
    assert not process.start(SLEEP, {}, tmp_path)
    assert process.find() == first


def test_start__is_recognized_by_another_program(process: Process, tmp_path: Path) -> None:
    process.start(SLEEP, {}, tmp_path)
    assert Process(tmp_path, "service").find() == process.find()


def test_start__replaces_a_process_of_another_configuration(process: Process, tmp_path: Path) -> None:
    process.start(SLEEP, {"COLOUR": "red"}, tmp_path)
    first = process.find()
    assert process.start(SLEEP, {"COLOUR": "blue"}, tmp_path)
    second = process.find()
    assert first is not None
    assert second is not None
    assert first.pid != second.pid
    assert not _lives(first.pid)


def test_start__keeps_the_log_before(process: Process, tmp_path: Path) -> None:
    for text in ("first", "second"):
        process.start([sys.executable, "-c", f"print({text!r})"], {}, tmp_path)
        _wait(lambda: process.find() is None)
    assert process.log_tail() == "second"
    assert process.log.with_suffix(".log.1").read_text() == "first\n"


def test_start__names_a_program_that_is_not_there(process: Process, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"service cannot be started.*no-such-program"):
        process.start([str(tmp_path / "no-such-program")], {}, tmp_path)


def test_start__writes_no_secret_to_the_pid_file(process: Process, tmp_path: Path) -> None:
    process.start(SLEEP, {"PASSWORD": "very secret"}, tmp_path)
    assert "very secret" not in _pid_file(tmp_path).read_text()
    found = process.find()
    assert found is not None
    assert "very secret" not in " ".join(found.cmdline())


def test_check__shows_the_end_of_the_log_of_one_that_died(process: Process, tmp_path: Path) -> None:
    process.start([sys.executable, "-c", "raise SystemExit('the disk is on fire')"], {}, tmp_path)
    _wait(lambda: process.find() is None)
    with pytest.raises(ServiceError, match="service has ended by itself") as caught:
        process.check()
    assert "the disk is on fire" in str(caught.value)
    assert str(process.log) in str(caught.value)


def test_stop__ends_the_process_and_what_it_started(process: Process, tmp_path: Path) -> None:
    process.start(PARENT, {}, tmp_path)
    _wait(lambda: process.log_tail().isdigit())
    stop([process])
    assert not _lives(int(process.log_tail()))
    assert process.find() is None
    assert not _pid_file(tmp_path).exists()


def test_stop__ends_what_a_killed_process_left(process: Process, tmp_path: Path) -> None:
    process.start(PARENT, {}, tmp_path)
    _wait(lambda: process.log_tail().isdigit())
    leader = process.find()
    assert leader is not None
    leader.kill()
    _wait(lambda: process.find() is None)
    assert [member.pid for member in process.members()] == [int(process.log_tail())]
    stop([process])
    assert process.members() == []


def test_stop__kills_one_that_does_not_listen(process: Process, tmp_path: Path) -> None:
    process.start(DEAF, {}, tmp_path)
    _wait(lambda: "deaf" in process.log_tail())
    stop([process], grace=0.2)
    assert process.find() is None


def test_stop__is_silent_where_nothing_runs(process: Process) -> None:
    stop([process])
    assert process.find() is None


@pytest.mark.parametrize("environment", [None, {}], ids=["as usual", "not to be seen, as at its first step"])
def test_stop__leaves_a_program_that_got_the_same_pid(
    process: Process, tmp_path: Path, environment: dict[str, str] | None
) -> None:
    with subprocess.Popen(SLEEP, start_new_session=True, env=environment) as foreign:
        record = {"pid": foreign.pid, "created": psutil.Process(foreign.pid).create_time() - 60, "configuration": ""}
        _pid_file(tmp_path).parent.mkdir()
        _pid_file(tmp_path).write_text(json.dumps(record))
        assert process.find() is None
        stop([process])
        assert foreign.poll() is None
        foreign.kill()


def test_stop__leaves_an_orphan_of_a_foreign_session_of_the_same_number(process: Process, tmp_path: Path) -> None:
    # A daemon whose session leader has ended: only the mark tells it from what a crash of ours would leave.
    with subprocess.Popen(PARENT, start_new_session=True, stdout=subprocess.PIPE, text=True) as leader:
        assert leader.stdout is not None
        orphan = psutil.Process(int(leader.stdout.readline()))
        record = {"pid": leader.pid, "created": psutil.Process(leader.pid).create_time(), "configuration": ""}
        leader.kill()
    _pid_file(tmp_path).parent.mkdir()
    _pid_file(tmp_path).write_text(json.dumps(record))
    stop([process])
    assert orphan.is_running()
    os.kill(orphan.pid, signal.SIGKILL)


@pytest.mark.parametrize("content", ["", "{}", '{"pid": 1}', "[]"])
def test_find__takes_a_damaged_pid_file_for_none(process: Process, tmp_path: Path, content: str) -> None:
    _pid_file(tmp_path).parent.mkdir()
    _pid_file(tmp_path).write_text(content)
    assert process.find() is None
