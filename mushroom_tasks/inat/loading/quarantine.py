"""Malformed rows, set aside beside the snapshot as JSON lines: file, line, reason and text of each.

quarantine = Quarantine()
quarantine.add("photos.csv.gz", 38, b"40", "1 columns in place of 9")
quarantine.write(store, "snapshots/ab12/quarantine.jsonl")
"""

from __future__ import annotations

import json
from typing import Any

from mushroom_tasks.storage import Store

QUARANTINED_ROWS = 1000  # written per file; all are counted
_QUARANTINED_TEXT = 500  # characters of a row


class Quarantine:
    """Collects malformed rows; its memory is bounded however many there are."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._by_file: dict[str, int] = {}

    def add(self, file: str, line: int, text: bytes, reason: str) -> None:
        """Set a row aside; `line` is its number in the unpacked file, whose first line (the columns) is 1."""
        self._by_file[file] = self._by_file.get(file, 0) + 1
        if self._by_file[file] <= QUARANTINED_ROWS:
            shown = text[: 4 * _QUARANTINED_TEXT].decode(errors="replace")[:_QUARANTINED_TEXT]
            self._rows.append({"file": file, "line": line, "reason": reason, "text": shown})

    def count(self, file: str) -> int:
        """Return how many rows of a file were set aside."""
        return self._by_file.get(file, 0)

    def first(self, file: str) -> str:
        """Describe the first row of a file, for a message."""
        row = next(row for row in self._rows if row["file"] == file)
        return f"line {row['line']}, {row['reason']}: {row['text'][:120]!r}"

    def write(self, store: Store, path: str) -> None:
        """Write the rows, or remove the file of an earlier load where there are none."""
        if self._rows:
            store.write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self._rows))
        else:
            store.delete(path)
