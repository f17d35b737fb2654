"""docs/data.md names every column of the tables and manifests, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import Table

from mushroom_tasks import manifests
from mushroom_tasks.db.models import Base

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8")


def _names(part: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", part))


@pytest.mark.parametrize("table", Base.metadata.sorted_tables, ids=lambda table: table.name)
def test_document__names_every_column_of_a_table(table: Table) -> None:
    row = next(line for line in TEXT.splitlines() if line.startswith(f"| `{table.name}` |"))
    assert {column.name for column in table.columns} <= _names(row)


PRUNING = pa.schema(
    [field for field in manifests.PRUNED if field.name not in {*manifests.SELECTION.names, *manifests.DOWNLOADS.names}]
)


@pytest.mark.parametrize(
    ("title", "schema"),
    [("**Selection**", manifests.SELECTION), ("**Downloads**", manifests.DOWNLOADS), ("**Pruned**", PRUNING)],
    ids=["selection", "downloads", "pruned"],
)
def test_document__has_the_columns_of_a_manifest(title: str, schema: pa.Schema) -> None:
    section = TEXT.split(title)[1].split("\n\n")[1]
    documented = set().union(*(_names(line.split("|")[1]) for line in section.splitlines() if line.startswith("| `")))
    assert documented == set(schema.names)
