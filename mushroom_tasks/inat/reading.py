"""Stream a metadata file: parse, keep the wanted rows, convert them, set aside what is malformed.

The files are tab-separated without any quoting (names hold single and double quotes), so a quote is a letter.
Everything is parsed as bytes; only kept rows, a few per cent of a full snapshot, are converted. Memory stays at
a few blocks plus the set of wanted keys, whatever the size of the file.

    reader = Reader(store, folder, OBSERVATIONS, quarantine)
    for batch in reader.batches(keep=("taxon_id", wanted)): ...
    reader.rows, reader.malformed
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset

from mushroom_tasks.errors import TableError
from mushroom_tasks.inat.tables import Column, Table
from mushroom_tasks.storage import Store

BLOCK = 8 << 20  # bytes of text parsed at a time
QUARANTINED_ROWS = 1000  # written per table; all are counted
_QUARANTINED_TEXT = 500  # characters of a row
_UUID = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"


class Quarantine:
    """Malformed rows, written beside the snapshot as JSON lines: file, line where known, text, reason."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._by_file: dict[str, int] = {}

    def add(self, file: str, text: str, reason: str, line: int | None = None) -> None:
        """Set a row aside."""
        self._by_file[file] = self._by_file.get(file, 0) + 1
        if self._by_file[file] <= QUARANTINED_ROWS:
            self._rows.append({"file": file, "line": line, "text": text[:_QUARANTINED_TEXT], "reason": reason})

    def first(self, file: str) -> str:
        """Describe the first row of a file, for a message."""
        row = next(row for row in self._rows if row["file"] == file)
        return f"{row['reason']}: {row['text'][:120]!r}"

    def write(self, store: Store, path: str) -> None:
        """Write the rows, or remove the file of an earlier load where there are none."""
        if self._rows:
            store.write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self._rows))
        else:
            store.delete(path)


class Reader:
    """Reads one metadata file once.

    After `batches` is exhausted, `rows` counts all rows of the file and `malformed` those set aside.
    """

    def __init__(self, store: Store, folder: str, table: Table, quarantine: Quarantine) -> None:
        self.table, self.rows, self.malformed = table, 0, 0
        self._store, self._path, self._quarantine = store, f"{folder}/{table.file}", quarantine

    def batches(self, keep: tuple[str, pa.Array] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield converted rows in the file's order; `keep` names a column and the values (as text) that are wanted.

        Raises TableError where the columns are wrong or the file cannot be parsed.
        """
        names = self._header()
        try:
            with self._store.open(self._path) as file, pa.CompressedInputStream(file, "gzip") as text:
                raw = self._open(text, names)
                for batch in _wanted(self._counted(raw, keep and keep[0]), raw.schema, keep):
                    if batch.num_rows:
                        yield self._convert(batch)
        except (pa.ArrowInvalid, OSError) as error:
            raise TableError(f"{self._path} cannot be parsed as tab-separated values: {error}") from error

    def _header(self) -> list[str]:
        """Return the wanted columns that the file has; TableError where a needed one is missing."""
        with self._store.open(self._path) as file, pa.CompressedInputStream(file, "gzip") as text:
            line = text.read(1 << 16).split(b"\n", 1)[0].decode("utf-8-sig", errors="replace").rstrip("\r")
        received = line.split("\t") if line else []
        missing = [c.name for c in self.table.columns if c.name not in received and not c.is_optional]
        if missing:
            raise TableError(
                f"{self._path} lacks the columns {missing}. Received: {_short(line)!r}. Expected, separated by tabs: "
                f"{self.table.names}. If upstream changed its format, this program needs an update."
            )
        return [name for name in self.table.names if name in received]

    def _open(self, text: pa.NativeFile, names: list[str]) -> pa.RecordBatchReader:
        return pa.csv.open_csv(
            text,
            read_options=pa.csv.ReadOptions(block_size=BLOCK, use_threads=False),  # threads lose line numbers
            parse_options=pa.csv.ParseOptions(
                delimiter="\t", quote_char=False, double_quote=False, invalid_row_handler=self._skip
            ),
            convert_options=pa.csv.ConvertOptions(
                include_columns=names, column_types=dict.fromkeys(names, pa.binary()), strings_can_be_null=False
            ),
        )

    def _skip(self, row: pa.csv.InvalidRow) -> str:
        self.rows += 1
        self._refuse(row.text, f"{row.actual_columns} columns in place of {row.expected_columns}", row.number)
        return "skip"

    def _refuse(self, text: str, reason: str, line: int | None = None) -> None:
        self.malformed += 1
        self._quarantine.add(self.table.file, text, reason, line)

    def _counted(self, raw: pa.RecordBatchReader, key: str | None) -> Iterator[pa.RecordBatch]:
        """Pass the batches on, counted, without the rows whose key could never be wanted because it is malformed."""
        for batch in raw:
            self.rows += batch.num_rows
            yield (
                batch if key is None else self._without(batch, _malformed_keys(batch[key], self.table.column(key)), key)
            )

    def _without(self, batch: pa.RecordBatch, bad: pa.BooleanArray, name: str) -> pa.RecordBatch:
        if not bad.true_count:
            return batch
        for row in batch.filter(bad).to_pylist():
            self._refuse(_text(row), f"{name} is malformed")
        return batch.filter(pc.invert(bad))

    def _convert(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Convert the columns to their types; rows that do not convert are set aside."""
        for name in batch.schema.names:
            batch = self._without(batch, _unfit(batch[name], self.table.column(name)), name)
        columns = []
        for column in self.table.columns:
            if column.name in batch.schema.names:
                columns.append(_cast(batch[column.name], column))
            else:
                columns.append(pa.nulls(batch.num_rows, column.type))
        return pa.record_batch(columns, names=self.table.names)


def _wanted(
    batches: Iterator[pa.RecordBatch], schema: pa.Schema, keep: tuple[str, pa.Array] | None
) -> Iterator[pa.RecordBatch]:
    if keep is None:
        return batches
    # A scanner, not is_in per batch: it builds the hash table of the wanted values once, not for every batch.
    name, values = keep
    wanted = pc.field(name).isin(values.cast(pa.binary()))
    return iter(pa.dataset.Scanner.from_batches(batches, schema=schema, filter=wanted, use_threads=False).to_batches())


def _malformed_keys(values: pa.BinaryArray, column: Column) -> pa.BooleanArray:
    """Tell which keys are no key at all, cheaply, for every row of a file passes here."""
    if column.is_uuid:
        return pc.not_equal(pc.binary_length(values), 36)
    try:
        digits = pc.ascii_is_decimal(values.cast(pa.string()))
    except pa.ArrowInvalid:
        digits = pa.array([value.isdigit() for value in values.to_pylist()])
    empty_is_fine = pa.scalar(column.empty != "refused")
    return pc.and_not(pc.invert(digits), pc.and_(pc.equal(pc.binary_length(values), 0), empty_is_fine))


def _unfit(values: pa.BinaryArray, column: Column) -> pa.BooleanArray:
    """Tell which values do not convert; value by value only where the whole column does not."""
    try:
        return _judged(values, column)
    except pa.ArrowInvalid:
        return pa.array([_is_unfit(value, column) for value in values.to_pylist()], pa.bool_())


def _is_unfit(value: bytes, column: Column) -> bool:
    try:
        return bool(_judged(pa.array([value], pa.binary()), column)[0].as_py())
    except pa.ArrowInvalid:
        return True


def _judged(values: pa.BinaryArray, column: Column) -> pa.BooleanArray:
    _cast(values, column)
    text = values.cast(pa.string())
    bad = pc.match_substring(text, "\0")  # PostgreSQL stores no NUL
    if column.is_uuid:
        bad = pc.or_(bad, pc.invert(pc.match_substring_regex(text, _UUID)))
    return pc.or_(bad, pc.equal(text, "")) if column.empty == "refused" else bad


def _cast(values: pa.BinaryArray, column: Column) -> pa.Array:
    text = values.cast(pa.string())
    if column.empty == "null" or (column.empty == "refused" and column.type != pa.string()):
        text = pc.if_else(pc.equal(text, ""), None, text)
    return text.cast(column.type)


def _text(row: dict[str, bytes]) -> str:
    return "\t".join(value.decode(errors="replace") for value in row.values())


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."
