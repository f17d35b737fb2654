"""progress: log lines and a small file for a live display."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from mushroom_tasks import progress
from mushroom_tasks.progress import Progress


def _read(folder: Path) -> dict[str, object]:
    return json.loads((folder / "download.json").read_text())


def test_progress__writes_where_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "WRITE_EVERY", 0)
    with Progress("download", 10, "photos", tmp_path / "progress") as running:
        assert _read(tmp_path / "progress")["done"] == 0
        running.advance(3, failed=1)
        assert _read(tmp_path / "progress") == {
            "stage": "download", "done": 3, "total": 10, "unit": "photos", "failed": 1
        }  # fmt: skip
        running.advance(failed=2)
    assert _read(tmp_path / "progress")["done"] == 4
    assert [path.name for path in (tmp_path / "progress").iterdir()] == ["download.json"]


def test_progress__writes_at_a_steady_pace_and_at_the_end(tmp_path: Path) -> None:
    with Progress("download", 1000, "photos", tmp_path) as running:
        for _ in range(1000):
            running.advance()
        assert _read(tmp_path)["done"] == 0, "a fast loop does not write a file a step"
    assert _read(tmp_path)["done"] == 1000


def test_progress__logs_at_a_steady_pace(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.INFO, "mushroom_tasks.progress")
    with Progress("embed", 4, "photos") as running:
        running.advance(2)
        assert caplog.messages == []
        monkeypatch.setattr(progress, "LOG_EVERY", 0)
        running.advance(1, failed=1)
        assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("embed: 3/4 (75%) photos in 0 s")
    assert caplog.messages[0].endswith(", failed 1")
    assert len(caplog.messages) == 2


def test_progress__says_that_it_was_stopped(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mushroom_tasks.progress")
    with pytest.raises(KeyError), Progress("embed", 4, "photos"):
        raise KeyError
    assert caplog.messages[-1].endswith("(stopped: KeyError)")


@pytest.mark.parametrize(("total", "done"), [(0, 5), (4, 0), (4, 4), (4, 6)])
def test_line__needs_no_total(total: int, done: int) -> None:
    running = Progress("ingest", total, "rows")
    running.advance(done)
    line = running.line()
    assert line.startswith(f"ingest: {done}")
    assert ("%" in line) == (total > 0)
    assert "left" not in line


def test_line__estimates_what_is_left() -> None:
    running = Progress("ingest", 100, "rows")
    running.advance(50)
    assert " s left" in running.line()


def test_line__gives_bytes_and_times_as_people_read_them(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, *[100.0] * 9])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    running = Progress("snapshot", 33_000_000_000, "bytes")
    running.resume(20_000_000_000)
    running.advance(4_000_000_000, file="photos.csv.gz")
    assert running.line() == (
        "snapshot: 24.0 GB of 33.0 GB (73%) in 1 min 40 s, 40.0 MB/s, 3 min 45 s left, file photos.csv.gz"
    )


def test_resume__counts_as_done_but_not_in_the_rate() -> None:
    running = Progress("download", 100, "photos")
    running.resume(90)
    assert running.done == 90
    assert "0.0/s" in running.line()
    assert "left" not in running.line()
    running.resume(-90)
    assert running.done == 0


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (1_400_000, "1.4 MB"),
        (33.1e9, "33.1 GB"),
        (2e12, "2.0 TB"),
    ],
)
def test_size__uses_the_unit_that_fits(count: float, text: str) -> None:
    assert progress.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59.6, "1 min 0 s"), (245, "4 min 5 s"), (12_030, "3 h 20 min")]
)
def test_duration__uses_the_units_that_fit(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text


def test_progress__goes_on_where_no_file_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, no folder")
    with Progress("download", 1, "photos", tmp_path / "taken") as running:
        running.advance()
    assert running.done == 1
    assert (tmp_path / "taken").read_text() == "a file, no folder"
