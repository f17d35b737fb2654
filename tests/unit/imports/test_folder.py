"""A folder of labelled photos, and what people put into one."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest
from photo_folder import photo, write, write_metadata

from mushroom_tasks.errors import ImportFailed, PhotoError
from mushroom_tasks.imports.folder import COLUMNS, folder_items

LIMIT = 100_000


def items(folder: Path, metadata: Path | None = None) -> dict[str, object]:
    return {item.name: item for item in folder_items(folder, LIMIT, metadata)}


def reason_of(item: object) -> str:
    with pytest.raises(PhotoError) as caught:
        item.read()  # type: ignore[attr-defined]
    return caught.value.reason


def test_folder_items__folders_are_species_at_any_depth(tmp_path: Path) -> None:
    for name in ("Amanita_muscaria/a.jpg", "Amanita_muscaria/Denmark/2024/b.JPG", "amanita virosa/c.png"):
        write(tmp_path, name, b"data")
    found = items(tmp_path)
    assert {name: item.species for name, item in found.items()} == {
        "Amanita_muscaria/a.jpg": "Amanita muscaria",
        "Amanita_muscaria/Denmark/2024/b.JPG": "Amanita muscaria",
        "amanita virosa/c.png": "Amanita virosa",
    }
    assert found["amanita virosa/c.png"].read() == b"data"


def test_folder_items__metadata_says_more_and_wins(tmp_path: Path) -> None:
    write(tmp_path, "Amanita sp/a.jpg", photo(1))
    write(tmp_path, "loose.jpg", photo(2))
    write_metadata(
        tmp_path,
        COLUMNS,
        [
            ("Amanita sp/a.jpg", "Amanita virosa", "Ann", "find 7", "CC0", "Ann Other", "2024-09-01", "55.5", "-12.25"),
            ("loose.jpg", "Boletus edulis", "Bo", "", "", "", "yesterday", "91", "x"),
        ],
    )
    found = items(tmp_path)
    assert sorted(found) == ["Amanita sp/a.jpg", "loose.jpg"]
    first, second = found["Amanita sp/a.jpg"], found["loose.jpg"]
    assert (first.species, first.observer, first.observation) == ("Amanita virosa", "Ann", "find 7")
    assert (first.license, first.credit, first.observed_on) == ("CC0", "Ann Other", date(2024, 9, 1))
    assert (first.latitude, first.longitude) == (55.5, -12.25)
    assert (second.species, second.credit) == ("Boletus edulis", "Bo")
    assert (second.observed_on, second.latitude, second.longitude) == (None, None, None)


def test_folder_items__passes_over_what_no_program_shows(tmp_path: Path) -> None:
    for name in ("A b/.DS_Store", "A b/Thumbs.db", ".git/x.jpg", "A b/.hidden/y.jpg", "A b/seen.jpg"):
        write(tmp_path, name, b"x")
    assert list(items(tmp_path)) == ["A b/seen.jpg"]


def test_folder_items__never_reads_outside_the_folder(tmp_path: Path) -> None:
    secret = write(tmp_path, "secret.jpg", photo(1))
    folder = tmp_path / "photos"
    write(folder, "A b/real.jpg", photo(2))
    (folder / "A b" / "link.jpg").symlink_to(secret)
    (folder / "A b" / "inner.jpg").symlink_to(folder / "A b" / "real.jpg")
    (folder / "away").symlink_to(tmp_path)
    write_metadata(
        folder, ("file", "species"), [("../secret.jpg", "A b"), (str(secret), "A b"), ("away/secret.jpg", "A")]
    )
    reasons = {name: reason_of(item) for name, item in items(folder).items() if name != "A b/real.jpg"}
    assert reasons == {
        "A b/link.jpg": "not_a_file",
        "A b/inner.jpg": "unreadable",
        "../secret.jpg": "not_a_file",
        str(secret): "not_a_file",
        "away/secret.jpg": "not_a_file",
    }


def test_folder_items__hostile_files_have_reasons(tmp_path: Path) -> None:
    write(tmp_path, "A b/large.jpg", bytes(LIMIT + 1))
    os.mkfifo(tmp_path / "A b" / "pipe.jpg")
    write_metadata(tmp_path, ("file", "species"), [("gone.jpg", "A b"), ("A b", "A b"), ("nul\0.jpg", "A b")])
    found = items(tmp_path)
    assert {name: reason_of(item) for name, item in found.items()} == {
        "A b/large.jpg": "too_large",
        "A b/pipe.jpg": "not_a_file",
        "gone.jpg": "missing",
        "A b": "not_a_file",
        "nul\0.jpg": "unreadable",
    }


def test_folder_items__refuses_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match="no folder"):
        items(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"name,species\na.jpg,A b\n", "column `file`"),
        (b"", "column `file`"),
        (b"file,file\na,b\n", "each column once"),
        (b"file\na.jpg\na.jpg\n", "has a line already"),
        (b"file\n\xff\xfe.jpg\n", "UTF-8"),
    ],
)
def test_folder_items__names_what_is_wrong_with_the_metadata(tmp_path: Path, content: bytes, says: str) -> None:
    write(tmp_path, "metadata.csv", content)
    with pytest.raises(ImportFailed, match=says):
        items(tmp_path)


def test_folder_items__metadata_that_is_asked_for_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match="cannot be read"):
        items(tmp_path, tmp_path / "other.csv")
