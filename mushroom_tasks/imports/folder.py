"""A folder of labelled photos: one folder per species, or a metadata.csv that says what each file shows.

    photos/
      Amanita muscaria/IMG_1.jpg ...
      Boletus edulis/...
      metadata.csv        optional: file, species, observer, observation, license, credit, date, latitude, longitude

    for item in folder_items(Path("photos"), max_bytes=30_000_000): ...

`file` is the path below the folder. `species` there wins over the folder's name; without a folder's name it is
needed. Folders below a species' own are part of it. Links are not followed, so nothing outside the folder is read.
"""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from mushroom_tasks.errors import ImportFailed, PhotoError
from mushroom_tasks.imports.item import Item, day_of, degrees_of, scientific_name
from mushroom_tasks.imports.own_files import read_regular

logger = logging.getLogger(__name__)

METADATA = "metadata.csv"
COLUMNS = ("file", "species", "observer", "observation", "license", "credit", "date", "latitude", "longitude")
_ALWAYS_THERE = ("thumbs.db", "desktop.ini")


def folder_items(folder: Path, max_bytes: int, metadata: Path | None = None) -> Iterator[Item]:
    """Yield every file of a folder as an item, in a fixed order, and those that the metadata names in vain.

    Files that no program shows as photos (hidden ones, Thumbs.db) are passed over; any other file that is no photo
    is an item, and found out when it is read.

    Raises ImportFailed where the folder is none, or the metadata cannot be read.
    """
    if not folder.is_dir():
        raise ImportFailed(f"there is no folder of photos. Received: {folder}")
    listed = _read_metadata(metadata or folder / METADATA, is_needed=metadata is not None)
    seen = set()
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        seen.add(name)
        yield _item(folder, name, listed.get(name, {}), max_bytes)
    for name in listed:
        if name not in seen:
            yield _item(folder, name, listed[name], max_bytes)


def _files(folder: Path) -> Iterator[Path]:
    for current, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            is_metadata = name.lower() == METADATA and Path(current) == folder
            if not name.startswith(".") and name.lower() not in _ALWAYS_THERE and not is_metadata:
                yield Path(current, name)


def _item(folder: Path, name: str, said: Mapping[str, str], max_bytes: int) -> Item:
    species = said.get("species", "") or (name.partition("/")[0] if "/" in name else "")
    return Item(
        name=name,
        species=scientific_name(species),
        read=partial(_read, folder, name, max_bytes),
        license=said.get("license", ""),
        credit=said.get("credit", "") or said.get("observer", ""),
        observer=said.get("observer", ""),
        observation=said.get("observation", ""),
        observed_on=day_of(said.get("date", "")),
        latitude=degrees_of(said.get("latitude", ""), 90),
        longitude=degrees_of(said.get("longitude", ""), 180),
    )


def _read(folder: Path, name: str, max_bytes: int) -> bytes:
    path = folder / name
    try:
        # A name from the metadata may hold "..", or go through a link.
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
            raise PhotoError("not_a_file", f"{name} lies outside the folder")
        return read_regular(path, max_bytes)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PhotoError("missing", f"{name}: {error.strerror}") from error
    except (OSError, ValueError) as error:
        raise PhotoError("unreadable", f"{name}: {error}") from error


def _read_metadata(path: Path, *, is_needed: bool) -> dict[str, dict[str, str]]:
    """Return the rows by file name; a file on two rows is an error, as they may disagree."""
    if not path.exists() and not is_needed:
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            _check_columns(path, reader.fieldnames)
            rows: dict[str, dict[str, str]] = {}
            for row in reader:
                texts = {name: (row.get(name) or "").strip() for name in COLUMNS}
                if texts["file"] in rows:
                    raise ImportFailed(f"{path}, line {reader.line_num}: {texts['file']!r} has a line already.")
                rows[texts["file"]] = texts
            return rows
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise ImportFailed(f"{path} cannot be read as CSV in UTF-8: {error}") from error


def _check_columns(path: Path, found: object) -> None:
    names = list(found) if isinstance(found, (list, tuple)) else []
    unknown = sorted(set(names) - set(COLUMNS))
    if "file" not in names or len(set(names)) < len(names):
        raise ImportFailed(f"{path} needs a column `file`, and each column once. Received: {names}")
    if unknown:
        logger.warning("%s: the columns %s are not used; known are %s", path, unknown, ", ".join(COLUMNS))
