"""Decisions as CSV: to keep beside the photos, to look at in a spreadsheet, to take to another database.

export_csv(decisions(engine), {48715: "Amanita muscaria"}, file)
import_csv(engine, file).imported
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, NamedTuple

import pyarrow as pa
from sqlalchemy import Connection, Engine

from mushroom_tasks.curation.reasons import VERDICTS
from mushroom_tasks.curation.review.deciding import append, unknown_photos, user_name
from mushroom_tasks.curation.review.statements import statement, wait_for_turn
from mushroom_tasks.db.engine import explained
from mushroom_tasks.errors import CurationError
from mushroom_tasks.escaping import guard_cell, unguard_cell

COLUMNS = ("photo_id", "taxon_id", "scientific_name", "verdict", "decided_by", "decided_at")
_NEEDED = ("photo_id", "taxon_id", "verdict", "decided_by")
_LARGEST_ID = 2**63 - 1
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # what is before it was mistyped, or is a clock that was never set
_AHEAD = timedelta(days=1)  # clocks differ; a time far ahead would outlast every later decision


@dataclass(frozen=True)
class Imported:
    """What a file brought: decisions taken in, those that were in force already, and those older than what is here.

    `unseen` are those taken in on photos that no review set shows under the species today.
    """

    imported: int
    unchanged: int
    older: int
    unseen: int


class _Decision(NamedTuple):
    photo_id: int
    taxon_id: int
    verdict: str
    decided_by: str
    decided_at: datetime | None


def export_csv(table: pa.Table, names: Mapping[int, str], file: IO[str]) -> None:
    """Write decisions (schema `DECISIONS`), one CSV row of `COLUMNS` each; species are named for people.

    RFC 4180. A text that a spreadsheet would run as a formula is preceded by an apostrophe, which `import_csv` drops.
    """
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in table.to_pylist():
        texts = (names.get(row["taxon_id"], ""), row["verdict"], row["decided_by"])
        when = row["decided_at"].isoformat()
        writer.writerow([row["photo_id"], row["taxon_id"], *map(guard_cell, texts), when])


def import_csv(engine: Engine, file: IO[str]) -> Imported:
    """Append the decisions of a CSV file to the log, as one batch.

    Needs the columns photo_id, taxon_id, verdict and decided_by; without `decided_at` they were decided now. Of several
    rows on one photo and species the last counts. What is older than the last word of the log on a photo is left alone,
    and so is what says the same: a file can be imported twice. Photos that no review set shows are taken in too, so
    that an export restores the log of a database that was lost; they count as soon as a data set has them.

    Raises CurationError, naming the line, where a row cannot be read, or was decided before 2000 or more than a day
    ahead; nothing is imported then.
    """
    rows = {(row.photo_id, row.taxon_id): row for row in _rows(file)}
    with explained(engine), engine.begin() as connection:
        wait_for_turn(connection)
        before = _last_words(connection, list(rows))
        same = [key for key, row in rows.items() if key in before and before[key][0] == row.verdict]
        older = [
            key for key, row in rows.items() if key in before and row.decided_at and row.decided_at < before[key][1]
        ]
        left = set(same) | set(older)
        new = [row for key, row in rows.items() if key not in left]
        if new:
            lists = [list(column) for column in zip(*new, strict=True)]
            names = ("photo_ids", "taxon_ids", "verdicts", "decided_by", "decided_at")
            append(connection, dict(zip(names, lists, strict=True)))
        unseen = len(unknown_photos(connection, [(row.photo_id, row.taxon_id) for row in new]))
    return Imported(len(new), len(same), len(left) - len(same), unseen)


def _last_words(
    connection: Connection, photos: list[tuple[int, int]]
) -> dict[tuple[int, int], tuple[str | None, datetime]]:
    """Return verdict and time of the last row of the log for each photo and species; the verdict is None if undone."""
    values = {"photo_ids": [photo for photo, _ in photos], "taxon_ids": [taxon for _, taxon in photos]}
    found = connection.execute(statement("last_words"), values)
    return {(row.photo_id, row.taxon_id): (row.verdict, row.decided_at) for row in found}


def _rows(file: IO[str]) -> Iterator[_Decision]:
    reader = csv.DictReader(file, strict=True)
    try:
        missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
        if missing:
            raise CurationError(
                f"a file of decisions has the columns {list(_NEEDED)}. Missing: {missing}. Received: "
                f"{reader.fieldnames}"
            )
        for row in reader:
            yield _row(row, reader.line_num)
    except csv.Error as error:
        raise CurationError(f"line {reader.line_num} is no CSV: {error}") from error


def _row(row: Mapping[str, str | None], line: int) -> _Decision:
    texts = {name: unguard_cell((row.get(name) or "").strip()) for name in COLUMNS}
    try:
        return _Decision(
            _number(texts["photo_id"]),
            _number(texts["taxon_id"]),
            _verdict(texts["verdict"]),
            user_name(texts["decided_by"]),
            _time(texts["decided_at"]),
        )
    except (CurationError, ValueError) as error:
        raise CurationError(f"line {line} of the decisions cannot be used: {error}") from error


def _number(text: str) -> int:
    number = int(text)
    if not 0 <= number <= _LARGEST_ID:
        raise ValueError(f"an id is a whole number. Received: {text!r}")
    return number


def _verdict(text: str) -> str:
    if text not in VERDICTS:
        raise ValueError(f"a verdict is one of {list(VERDICTS)}. Received: {text!r}")
    return text


def _time(text: str) -> datetime | None:
    """Return a time of ISO 8601; one without an offset is taken as UTC."""
    if not text:
        return None
    time = datetime.fromisoformat(text)
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    if not _EARLIEST <= time <= datetime.now(UTC) + _AHEAD:
        raise ValueError(f"a decision was made between 2000 and now. Received: {text!r}")
    return time
