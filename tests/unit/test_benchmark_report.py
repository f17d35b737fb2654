"""What every benchmark shares: rows and their results file, turns, peers' environments, the made-up inputs."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path

import measured
import peers
import pytest
import report
from inputs import later, photos
from rich.console import Console


def test_report__ratio_is_what_the_target_speaks_of() -> None:
    quick = report.at_least("seconds", [2.0, 1.0, 9.0], [12.0], times=5, better="less")
    many = report.at_least("photos/s", [1200.0], [400.0], times=6, better="more")
    small = report.at_most("MB", [60.0], [300.0], times=0.25)
    short = report.limited("task", [0.8, 6.0, 0.9], limit=5, unit="s")
    shown = [(row.ratio, row.target, row.holds) for row in (quick, many, small, short)]
    assert shown == [(6.0, ">= 5x", True), (3.0, ">= 6x", False), (0.2, "<= 0.25x", True), (None, "<= 5 s", True)]


def test_report__a_limit_of_zero_allows_nothing() -> None:
    assert report.limited("fetched twice", [0], limit=0, unit="%").holds
    assert not report.limited("fetched twice", [0.01], limit=0, unit="%").holds


def test_report__writes_medians_under_exactly_six_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    rows = [report.at_most("MB", [3.0, 1.0, 2.0000001], [8.0], times=0.25), report.beside("CPU", [1.0], [0.0])]
    shown = io.StringIO()
    path = report.report("trial", "three of them", rows, Console(file=shown, width=120))
    assert path == tmp_path / "results" / "trial.json"
    assert json.loads(path.read_text()) == [
        {"name": "MB", "ours": 2.0, "peer": 8.0, "ratio": 0.25, "target": "<= 0.25x", "holds": False},
        {"name": "CPU", "ours": 1.0, "peer": 0.0, "ratio": None, "target": None, "holds": None},
    ]
    for word in ("trial: three of them", "cores, load", "Python 3.", "2 (1-3)", "<= 0.25x", "NO"):
        assert word in shown.getvalue()


def test_report__shows_the_kept_results_of_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    shown = io.StringIO()
    for name in ("one", "two"):
        report.report(
            name, "", [report.limited(f"seconds of {name}", [12345.6], limit=5, unit="s")], Console(file=shown)
        )
    shown.truncate(0)
    report.show(["one", "two"], Console(file=shown, width=120))
    assert shown.getvalue().count("12,346") == 2
    assert "seconds of two" in shown.getvalue()
    with pytest.raises(FileNotFoundError):
        report.show(["three"])


def test_report__in_turns_reverses_every_other_round() -> None:
    order: list[str] = []
    results = report.in_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert {name: len(found) for name, found in results.items()} == {"a": 3, "b": 3}


def test_report__ways_that_disagree_end_the_run() -> None:
    report.require_same("photos", {"ours": {1, 2}, "peer": {2, 1}})
    with pytest.raises(SystemExit, match="do not give the same photos"):
        report.require_same("photos", {"ours": 3, "peer": 4})


def test_peers__an_environment_is_that_of_its_very_requirements(tmp_path: Path) -> None:
    peer = peers.Peer("one", ("program[more]==1.2", "library==3"))
    assert peer.version == "1.2"
    assert not peer.is_installed(tmp_path)
    (tmp_path / "installed").write_text(peer.fingerprint)
    assert peer.is_installed(tmp_path)
    assert not peers.Peer("one", ("program[more]==1.2", "library==4")).is_installed(tmp_path)


def test_peers__every_version_is_pinned() -> None:
    for peer in (peers.IMG2DATASET, peers.PYINATURALIST_CONVERT):
        assert all("==" in requirement for requirement in peer.requirements)


def test_measured__takes_time_and_memory_of_the_whole_tree() -> None:
    hungry = "import time; held = bytearray(b'x') * 40_000_000; time.sleep(0.6)"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hungry!r}]); print('{{\"photos\": 3}}')"
    run = measured.measured([sys.executable, "-c", program])
    assert run.said == {"photos": 3}
    assert 40e6 < run.peak_bytes < 120e6
    assert run.seconds > 0.6
    assert 0 < run.cpu_seconds < 60


def test_measured__a_program_that_fails_ends_the_run() -> None:
    with pytest.raises(SystemExit, match="exit code 3:\nit broke"):
        measured.measured([sys.executable, "-c", "print('it broke'); raise SystemExit(3)"])


def test_inputs__photos_are_the_same_again_and_no_two_alike(tmp_path: Path) -> None:
    pack = photos.write_photos(tmp_path / "one", 8)
    assert len({pack.read(photo_id) for photo_id in pack.ids}) == 8
    assert photos.write_photos(tmp_path / "two", 8).fingerprint() == pack.fingerprint()
    assert photos.open_photos(tmp_path / "one") == pack
    with pytest.raises(KeyError):
        pack.place(9)


def test_inputs__a_later_snapshot_changes_a_share_of_its_rows(tmp_path: Path) -> None:
    head = "photo_uuid\tphoto_id\tobservation_uuid\tobserver_id\textension\tlicense\twidth\theight\tposition"
    rows = [f"uuid-{i}\t{i}\tobservation-{i}\t1\tjpg\tCC0\t1\t1\t0" for i in range(300)]
    (tmp_path / "photos.csv.gz").write_bytes(gzip.compress("\n".join([head, *rows, ""]).encode()))
    changed = later.publish_later(tmp_path, 0.1)
    assert changed == later.Changed(rows=300, added=10, withdrawn=10, relicensed=10)
    found = gzip.decompress((tmp_path / "photos.csv.gz").read_bytes()).decode().splitlines()[1:]
    assert len(found) == 300
    assert len(set(found) & set(rows)) == 280
    assert len({row.split("\t")[1] for row in found}) == 300
