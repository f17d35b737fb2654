"""Writing a sample bucket: the same bytes again, complete after an interruption, careful with what is there."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mushroom_tasks.errors import PhotoError, SettingsError
from mushroom_tasks.imaging import decode
from mushroom_tasks.sample import bucket
from mushroom_tasks.sample.bucket import MARKER, draw_file, write_bucket
from mushroom_tasks.sample.plan import make_plan
from mushroom_tasks.sample.sheet import contact_sheet

SMALL = {"species": 2, "photos_per_species": 5}
PLANNED = make_plan(species=2, photos_per_species=5, seed=1).photos


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "bucket"
    write_bucket(folder, **SMALL)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_write_bucket__same_seed_gives_the_same_bytes(written: Path, tmp_path: Path) -> None:
    report = write_bucket(tmp_path / "again", **SMALL)
    assert content(tmp_path / "again") == content(written)
    assert report.drawn == len([name for name in content(written) if name.startswith("photos/")])


def test_write_bucket__another_seed_gives_other_photos(written: Path, tmp_path: Path) -> None:
    write_bucket(tmp_path / "other", seed=2, **SMALL)
    first, second = content(written), content(tmp_path / "other")
    photos = [{data for name, data in one.items() if name.startswith("photos/")} for one in (first, second)]
    assert not photos[0] & photos[1]
    assert first["observations.csv.gz"] != second["observations.csv.gz"]
    assert first["taxa.csv.gz"] == second["taxa.csv.gz"]


def test_write_bucket__a_finished_bucket_is_left_as_it_is(written: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in written.rglob("*")}
    report = write_bucket(written, **SMALL)
    assert report.drawn == 0
    assert report.photos == 10
    assert {path: path.stat().st_mtime_ns for path in written.rglob("*")} == before


def test_write_bucket__an_interrupted_bucket_is_completed(written: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(written, tmp_path / "bucket")
    whole = content(written)
    state = json.loads((folder / MARKER).read_text())
    (folder / MARKER).write_text(json.dumps({**state, "report": None}))
    lost = sorted(folder.glob("photos/*/medium.jpg"))[:2]
    for path in lost:
        path.unlink()
    (folder / "taxa.csv.gz").unlink()
    assert write_bucket(folder, **SMALL).drawn == len(lost)
    assert content(folder) == whole


def test_write_bucket__a_bucket_of_an_older_version_is_written_anew_and_progress_shown(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(written, tmp_path / "bucket")
    stale = folder / "photos" / "1" / "medium.jpg"
    stale.parent.mkdir()
    stale.write_bytes(b"an id that the newer version no longer has")
    monkeypatch.setattr(bucket, "VERSION", bucket.VERSION + 1)
    report = write_bucket(folder, **SMALL, progress_folder=tmp_path / "progress")
    assert not stale.exists()
    assert report.drawn == len(list(folder.glob("photos/*/medium.jpg")))
    assert content(folder).keys() == content(written).keys()
    state = json.loads((tmp_path / "progress" / "sample.json").read_text())
    assert state["done"] == state["total"] == len(PLANNED)


def test_write_bucket__refuses_a_folder_with_something_else_and_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SettingsError, match=r"thesis\.txt"):
        write_bucket(tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_write_bucket__refuses_a_bucket_of_other_parameters_and_keeps_it(written: Path) -> None:
    before = content(written)
    with pytest.raises(SettingsError, match="'seed': 3"):
        write_bucket(written, seed=3, **SMALL)
    assert content(written) == before


def test_write_bucket__refuses_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="Received a file"):
        write_bucket(tmp_path / "file", **SMALL)


def test_write_bucket__refuses_wrong_parameters_before_it_touches_the_disk(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Received: 0"):
        write_bucket(tmp_path / "none", species=0)
    assert not (tmp_path / "none").exists()


def test_write_bucket__leaves_a_marker_that_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / MARKER).write_text("not json")
    with pytest.raises(SettingsError, match="cannot be read"):
        write_bucket(tmp_path, **SMALL)


@pytest.mark.parametrize(
    ("fault", "reason"), [("empty", "empty"), ("html", "html"), ("truncated", "truncated")], ids=lambda value: value
)
def test_draw_file__a_broken_photo_fails_to_decode_for_its_reason(fault: str, reason: str) -> None:
    data = draw_file(replace(PLANNED[0], fault=fault), seed=1)
    assert data is not None
    with pytest.raises(PhotoError) as caught:
        decode(data)
    assert caught.value.reason == reason


def test_draw_file__a_missing_photo_has_no_file() -> None:
    assert draw_file(replace(PLANNED[0], fault="missing"), seed=1) is None


@pytest.mark.parametrize("fault", ["png", "cmyk", "gray", "exif"])
def test_draw_file__an_odd_photo_decodes_to_what_the_usual_one_shows(fault: str) -> None:
    photo = next(photo for photo in PLANNED if photo.kind == "clean")
    usual, odd = (draw_file(replace(photo, fault=one), seed=1) for one in ("", fault))
    assert usual is not None
    assert odd is not None
    assert odd != usual
    assert decode(odd).size == decode(usual).size
    assert decode(odd).mode == "RGB"


def test_contact_sheet__shows_a_row_of_clean_photos_per_species(written: Path) -> None:
    sheet = contact_sheet(written, columns=2, tile=(40, 30))
    assert sheet.size == (2 * 43 + 3, 2 * 33 + 3)
    assert np.asarray(sheet.convert("L"), dtype=float).std() > 10


def test_contact_sheet__names_a_folder_without_a_bucket(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no truth\.csv"):
        contact_sheet(tmp_path)
