"""Stream a metadata file: find the rows, keep the wanted ones, convert them, set aside what is malformed.

The files are tab-separated without any quoting (names hold single and double quotes), so a quote is a letter and a
newline ends a row. Rows are filtered as bytes where they lie; only kept ones, a few per cent of a full snapshot, are
copied and converted. Memory stays at a few blocks plus the set of wanted keys, whatever the size of the file.

    reader = Reader(store, folder, OBSERVATIONS, quarantine)
    for batch in reader.batches(ByIds("taxon_id", wanted)): ...
    reader.rows, reader.malformed
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from mushroom_tasks.errors import TableError
from mushroom_tasks.inat.loading.blocks import NOTHING, Block, blocks
from mushroom_tasks.inat.loading.converting import convert, unfit
from mushroom_tasks.inat.loading.keys import Wanted
from mushroom_tasks.inat.loading.quarantine import Quarantine
from mushroom_tasks.inat.loading.rows import Rows, split
from mushroom_tasks.inat.tables import Table
from mushroom_tasks.inat.vectors import Mask
from mushroom_tasks.storage import Store


class Reader:
    """Reads one metadata file once.

    `rows` counts the rows of the file read so far, and `malformed` those set aside.
    """

    def __init__(self, store: Store, folder: str, table: Table, quarantine: Quarantine) -> None:
        self.table, self.rows, self.malformed = table, 0, 0
        self._store, self._path, self._quarantine = store, f"{folder}/{table.file}", quarantine
        self._places: dict[str, int] = {}  # of the columns in the file
        self._columns = 0

    def batches(self, wanted: Wanted | None = None) -> Iterator[pa.RecordBatch]:
        """Yield a converted batch per block, in the file's order, also where none of its rows is kept.

        Raises TableError where the columns are wrong or the file cannot be parsed.
        """
        for block in self._body():
            rows, misfits = split(block, self._columns)
            self.rows += len(rows) + len(misfits)
            for misfit in misfits:
                self._refuse(misfit.line, misfit.text, f"{misfit.columns} columns in place of {self._columns}")
            yield self._convert(rows if wanted is None else self._keep(rows, wanted))

    def _body(self) -> Iterator[Block]:
        """Yield the blocks without the first line of the file, which says where the columns are."""
        received = blocks(self._store, self._path)
        header, rest = next(received, NOTHING).pop_line()
        self._find_columns(header)
        yield rest
        yield from received

    def _find_columns(self, header: bytes) -> None:
        line = header.decode("utf-8-sig", errors="replace")
        received = line.split("\t") if line else []
        missing = [c.name for c in self.table.columns if c.name not in received and not c.is_optional]
        if missing:
            raise TableError(
                f"{self._path} lacks the columns {missing}. Received: {_short(line)!r}. Expected, separated by tabs: "
                f"{self.table.names}. If upstream changed its format, this program needs an update."
            )
        self._columns = len(received)
        self._places = {name: received.index(name) for name in self.table.names if name in received}

    def _keep(self, rows: Rows, wanted: Wanted) -> Rows:
        """Return the wanted rows; those whose key could never be wanted, because it is malformed, are set aside."""
        mask, malformed = wanted.judge(rows, self._places[wanted.name])
        if malformed.any():
            self._refuse_rows(rows, malformed, wanted.name)
        return rows.take(mask)

    def _convert(self, rows: Rows) -> pa.RecordBatch:
        """Convert the columns to their types; rows with a value that does not convert are set aside."""
        try:
            return convert(rows, self.table, self._places)
        except pa.ArrowInvalid:
            fits = np.ones(len(rows), np.bool_)
            for name, mask in unfit(rows, self.table, self._places):
                self._refuse_rows(rows, mask & fits, name)
                fits &= ~mask
            return convert(rows.take(fits), self.table, self._places)

    def _refuse_rows(self, rows: Rows, mask: Mask, name: str) -> None:
        refused = rows.take(mask)
        for line, text in zip(refused.lines.tolist(), refused.texts(), strict=True):
            self._refuse(line, text, f"{name} is malformed")

    def _refuse(self, line: int, text: bytes, reason: str) -> None:
        self.malformed += 1
        self._quarantine.add(self.table.file, line, text, reason)


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."
