"""Decisions as CSV: out of one database, into another, through a spreadsheet; by the program."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pruned_photos import noise, pruned_photo, pruned_table
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from mushroom_tasks.cli.main import app
from mushroom_tasks.curation import review
from mushroom_tasks.errors import CurationError

AMANITA, BOLETUS = 48715, 48717
FORMULA = "=HYPERLINK(A1)"
HEADER = "photo_id,taxon_id,verdict,decided_by,decided_at\r\n"
runner = CliRunner()


def fill(engine: Engine) -> Engine:
    rows = pruned_table(noise(1), noise(2, doubt="near_border"), *(pruned_photo(photo_id) for photo_id in range(3, 7)))
    review.queue(engine, "aaaa", rows, origin="here", conf=None, keep_sets=3)
    return engine


@pytest.fixture
def reviewed(engine: Engine) -> Engine:
    return fill(engine)


@pytest.fixture
def other(module_engine: Engine) -> Engine:
    """Another database with the same photos, emptied for each test."""
    empty(module_engine)
    return fill(module_engine)


def empty(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE review_sets, review_species, review_items, review_decisions"))


def exported(engine: Engine) -> str:
    file = io.StringIO(newline="")
    review.export_csv(review.decisions(engine), review.species_names(engine), file)
    return file.getvalue()


def imported(engine: Engine, text: str) -> review.Imported:
    return review.import_csv(engine, io.StringIO(text, newline=""))


def in_force(engine: Engine) -> dict[int, tuple[str, str]]:
    return {row["photo_id"]: (row["verdict"], row["decided_by"]) for row in review.decisions(engine).to_pylist()}


def test_export__has_who_and_when_and_runs_no_formula(reviewed: Engine) -> None:
    review.decide(reviewed, [(2, AMANITA)], "keep", FORMULA)
    done = review.decide(reviewed, [(4, AMANITA)], "keep", "ann")
    review.undo(reviewed, done.batch, "ann")

    [row] = csv.DictReader(io.StringIO(exported(reviewed), newline=""))
    assert (row["photo_id"], row["taxon_id"], row["scientific_name"], row["verdict"]) == (
        "2", "48715", "Amanita muscaria", "keep",
    )  # fmt: skip
    assert row["decided_by"] == f"'{FORMULA}"
    assert datetime.fromisoformat(row["decided_at"]).tzinfo is not None


def test_import__takes_over_what_another_database_exported(reviewed: Engine, other: Engine) -> None:
    review.decide(reviewed, [(1, BOLETUS), (3, BOLETUS)], "prune", FORMULA)
    review.decide(reviewed, [(2, AMANITA)], "not_sure", 'Zoë, "the\nfungus"')

    done = imported(other, exported(reviewed))

    assert done == review.Imported(imported=3, unchanged=0, older=0, unseen=0)
    assert review.decisions(other).equals(review.decisions(reviewed))
    assert review.find_set(other, "aaaa").decided == 3
    assert len({row.batch for photo in (1, 2, 3) for row in review.history(other, photo)}) == 1


def test_import__twice_changes_nothing(reviewed: Engine, other: Engine) -> None:
    review.decide(reviewed, [(1, BOLETUS), (3, BOLETUS)], "prune", "ann")
    imported(other, exported(reviewed))

    assert imported(other, exported(reviewed)) == review.Imported(imported=0, unchanged=2, older=0, unseen=0)
    assert len(review.log(other)) == 2


def test_import__leaves_what_was_decided_here_later_and_takes_what_is_newer(reviewed: Engine) -> None:
    done = review.decide(reviewed, [(1, BOLETUS), (3, BOLETUS), (5, BOLETUS)], "keep", "ann")
    review.undo(reviewed, done.batch, "ann")
    review.decide(reviewed, [(1, BOLETUS)], "keep", "ann")
    text = HEADER + (
        "1,48717,prune,bob,2020-01-01T00:00:00+00:00\r\n"
        "3,48717,prune,bob,2020-01-01\r\n"
        f"5,48717,prune,bob,{datetime.now(UTC) + timedelta(hours=1)}\r\n"
        "2,48715,keep,bob,\r\n"
    )

    assert imported(reviewed, text) == review.Imported(imported=2, unchanged=0, older=2, unseen=0)
    assert in_force(reviewed) == {1: ("keep", "ann"), 2: ("keep", "bob"), 5: ("prune", "bob")}


def test_import__takes_and_counts_photos_that_no_set_shows(reviewed: Engine) -> None:
    text = HEADER + "99,48715,keep,bob,\r\n1,48715,keep,bob,\r\n2,48715,keep,bob,\r\n"

    assert imported(reviewed, text) == review.Imported(imported=3, unchanged=0, older=0, unseen=2)
    assert in_force(reviewed) == dict.fromkeys((1, 2, 99), ("keep", "bob"))
    assert review.find_set(reviewed, "aaaa").decided == 1
    assert imported(reviewed, text) == review.Imported(imported=0, unchanged=3, older=0, unseen=0)


def test_import__into_an_empty_database_counts_once_there_is_a_set(reviewed: Engine, other: Engine) -> None:
    review.decide(reviewed, [(1, BOLETUS), (3, BOLETUS)], "prune", "ann")
    empty(other)

    assert imported(other, exported(reviewed)).unseen == 2
    fill(other)
    assert review.decisions(other).equals(review.decisions(reviewed))
    assert review.find_set(other, "aaaa").decided == 2


def test_import__of_rows_on_one_photo_the_last_counts(reviewed: Engine) -> None:
    imported(reviewed, HEADER + "2,48715,keep,bob,\r\n2,48715,prune,ann,\r\n")
    assert in_force(reviewed) == {2: ("prune", "ann")}


def test_import__of_an_empty_file_of_decisions_is_nothing(reviewed: Engine) -> None:
    assert imported(reviewed, HEADER) == review.Imported(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Missing: .'photo_id'"),
        ("photo_id,taxon_id\r\n", "Missing: .'verdict', 'decided_by'"),
        (HEADER + "2,48715,keep,bob,\r\n2,48715,delete,bob,\r\n", "line 3 .*Received: 'delete'"),
        (HEADER + "two,48715,keep,bob,\r\n", "line 2 .*'two'"),
        (HEADER + "-2,48715,keep,bob,\r\n", "line 2 .*'-2'"),
        (HEADER + f"{2**63},48715,keep,bob,\r\n", "line 2 .*an id is a whole number"),
        (HEADER + "2,48715,keep,,\r\n", "line 2 .*somebody has to decide"),
        (HEADER + "2,48715,keep,bob,yesterday\r\n", "line 2 .*'yesterday'"),
        (HEADER + "2,48715,keep,bob,1999-12-31T23:59:59+00:00\r\n", "line 2 .*between 2000 and now. Received: '1999-"),
        (HEADER + "2,48715,keep,bob,0001-01-01T00:00:00+14:00\r\n", "line 2 .*between 2000 and now"),
        (HEADER + f"2,48715,keep,bob,{datetime.now(UTC) + timedelta(days=2)}\r\n", "line 2 .*between 2000 and now"),
        (HEADER + "2\r\n", "line 2 "),
        (HEADER + '2,48715,keep,"bob\r\n', "is no CSV"),
    ],
)
def test_import__names_the_line_that_cannot_be_read(reviewed: Engine, text: str, message: str) -> None:
    with pytest.raises(CurationError, match=message):
        imported(reviewed, text)
    assert review.log(reviewed) == []


# --- the program


@pytest.fixture
def home(reviewed: Engine, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("MUSHROOM_DATABASE_URL", database)
    return ["--workdir", str(tmp_path)]


def test_program__lists_sets_with_their_progress(home: list[str], reviewed: Engine) -> None:
    review.decide(reviewed, [(1, BOLETUS)], "keep", "ann")

    [line] = runner.invoke(app, ["review", "list", *home]).stdout.splitlines()
    assert line.startswith("aaaa  ")
    assert line.endswith("6 photos, 2 pruned, 0 in doubt; 1 of 2 reviewed  here")
    [found] = json.loads(runner.invoke(app, ["review", "list", "--json", *home]).stdout)
    assert (found["fingerprint"], found["waiting"], found["decided"]) == ("aaaa", 1, 1)


def test_program__exports_and_imports(home: list[str], reviewed: Engine, other: Engine, tmp_path: Path) -> None:
    review.decide(reviewed, [(1, BOLETUS)], "keep", "ann")
    file = tmp_path / "decisions.csv"

    done = runner.invoke(app, ["review", "export", str(file), *home])
    assert (done.exit_code, done.stdout) == (0, "")
    assert file.read_bytes().decode() == exported(reviewed)
    assert runner.invoke(app, ["review", "export", "-", *home]).stdout.splitlines() == exported(reviewed).splitlines()
    review.decide(reviewed, [(1, BOLETUS)], "prune", "bob")

    again = runner.invoke(app, ["review", "import", str(file), *home])
    assert again.exit_code == 0
    assert again.stdout.startswith("0 decisions taken in, 0 were in force already, 1 are older")
    url = other.url.render_as_string(hide_password=False)
    fresh = runner.invoke(app, ["review", "import", str(file), *home, "--set", f"database_url={url}"])
    assert fresh.stdout.startswith("1 decisions taken in")
    assert in_force(other) == {1: ("keep", "ann")}


def test_program__tells_how_many_are_on_photos_of_no_set(home: list[str], reviewed: Engine, tmp_path: Path) -> None:
    file = tmp_path / "decisions.csv"
    # As a spreadsheet writes it: with a mark before the text.
    file.write_text(HEADER + "98,48715,keep,bob,\r\n2,48715,keep,bob,\r\n", encoding="utf-8-sig")

    done = runner.invoke(app, ["review", "import", str(file), *home])

    assert done.exit_code == 0
    assert done.stdout.startswith("2 decisions taken in")
    assert "1 of those taken in are on photos that no review set shows" in done.stdout
    assert in_force(reviewed) == {2: ("keep", "bob"), 98: ("keep", "bob")}


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_program__names_a_file_it_cannot_read(home: list[str], tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "decisions.csv"
    if content is not None:
        file.write_bytes(content)
    done = runner.invoke(app, ["review", "import", str(file), *home])
    assert isinstance(done.exception, CurationError)
    assert "decisions.csv cannot be read" in str(done.exception)


def test_decisions__times_come_back_as_they_were(reviewed: Engine) -> None:
    imported(reviewed, HEADER + "2,48715,keep,bob,2024-05-06T07:08:09.12+02:00\r\n")
    [row] = review.decisions(reviewed).to_pylist()
    assert row["decided_at"] == datetime(2024, 5, 6, 5, 8, 9, 120_000, tzinfo=UTC)
