"""The table of species that people open in a spreadsheet."""

from __future__ import annotations

import csv
import io

import pyarrow as pa

from mushroom_tasks.inat.selecting.species_counts import SPECIES_COUNTS, write_csv

HOSTILE = '=HYPERLINK("http://evil.example","x")'


def test_write_csv__disarms_names_that_are_formulas() -> None:
    row = {field.name: 0 for field in SPECIES_COUNTS}
    names = [HOSTILE, "Amanita muscaria", 'Amanita "x", var. y']
    rows = [{**row, "taxon_id": i, "scientific_name": name, "outcome": "selected"} for i, name in enumerate(names)]
    file = io.BytesIO()

    write_csv(pa.Table.from_pylist(rows, SPECIES_COUNTS), file)

    lines = list(csv.DictReader(io.StringIO(file.getvalue().decode(), newline="")))
    assert list(lines[0]) == SPECIES_COUNTS.names
    assert [line["scientific_name"] for line in lines] == [f"'{HOSTILE}", *names[1:]]
    assert [line["taxon_id"] for line in lines] == ["0", "1", "2"]
