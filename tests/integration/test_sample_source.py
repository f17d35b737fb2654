"""The sample bucket as a background process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mushroom_tasks.local import ports
from mushroom_tasks.local.process import stop
from mushroom_tasks.local.sample_source import SampleSource
from mushroom_tasks.sample.bucket import write_bucket


@pytest.fixture
def source(tmp_path: Path) -> Iterator[SampleSource]:
    source = SampleSource(tmp_path, ports.choose(18_090))
    yield source
    stop(source.processes)


def _wait(source: SampleSource) -> None:
    deadline = time.monotonic() + 60
    while not source.healthy():
        source.processes[0].check()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_start__completes_and_serves_a_bucket_of_other_numbers(source: SampleSource) -> None:
    report = write_bucket(source.folder, species=2, photos_per_species=4)
    photo = next(source.folder.glob("photos/*/medium.jpg"))
    content = photo.read_bytes()
    source.start()
    _wait(source)
    path = photo.relative_to(source.folder).as_posix()
    assert httpx.get(f"{source.address}/{path}").content == content
    assert report.species == 2


def test_start__leaves_a_folder_of_somebody_else(source: SampleSource) -> None:
    source.folder.mkdir()
    (source.folder / "thesis.txt").write_text("mine")
    source.start()
    (process,) = source.processes
    deadline = time.monotonic() + 60
    while process.find() is not None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "thesis.txt" in process.log_tail()
    assert [path.name for path in source.folder.iterdir()] == ["thesis.txt"]
