"""How many photos each species has, how many are taken, and why others have none: a row per species.

write_csv(selection.species, file)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from mushroom_tasks.escaping import guard_cell
from mushroom_tasks.manifests import SPLITS

# Why a species is taken or not.
SELECTED, TOO_FEW, BEYOND, HOMONYM = "selected", "too few photos", "beyond species_count", "name taken by another taxon"

SPECIES_COUNTS = pa.schema(
    [
        pa.field("rank", pa.int64(), nullable=False),  # by photos available, from 1
        pa.field("taxon_id", pa.int64(), nullable=False),
        pa.field("scientific_name", pa.string(), nullable=False),
        pa.field("photos", pa.int64(), nullable=False),  # allowed by licence, grade, place, date, ...
        pa.field("available", pa.int64(), nullable=False),  # what the caps per observation and observer leave of them
        pa.field("selected", pa.int64(), nullable=False),
        pa.field("observations", pa.int64(), nullable=False),  # of the selected photos, as all that follows
        pa.field("observers", pa.int64(), nullable=False),
        *(pa.field(split, pa.int64(), nullable=False) for split in SPLITS),
        pa.field("outcome", pa.string(), nullable=False),
    ]
)
COUNTED = pa.schema([*list(SPECIES_COUNTS)[1:5]])


def species_counts(counted: pa.Table, selected: pa.Table, chosen: Collection[int], least: int) -> pa.Table:
    """Return the table of all species with an allowed photo (schema SPECIES_COUNTS), the largest first.

    `counted` has the columns of COUNTED in the order of rank, `selected` is the selection, `chosen` are the species
    that were wanted for it, and `least` is what a species had to have.
    """
    taken = _taken(selected)
    rows = []
    for rank, row in enumerate(counted.to_pylist(), start=1):
        counts = taken.get(row["taxon_id"])
        outcome = _outcome(row, counts is not None, chosen, least)
        rows.append({"rank": rank, **row, **(counts or _NOTHING), "outcome": outcome})
    return pa.Table.from_pylist(rows, SPECIES_COUNTS)


def write_csv(table: pa.Table, file: IO[bytes]) -> None:
    """Write the table with a header line, UTF-8; a name that a spreadsheet would run as a formula is disarmed."""
    names = [guard_cell(name) for name in table["scientific_name"].to_pylist()]
    position = table.column_names.index("scientific_name")
    table = table.set_column(position, "scientific_name", pa.array(names, pa.string()))
    pa.csv.write_csv(table, file, pa.csv.WriteOptions(quoting_style="needed"))


_NOTHING = {"selected": 0, "observations": 0, "observers": 0, **dict.fromkeys(SPLITS, 0)}


def _taken(selected: pa.Table) -> dict[int, dict[str, int]]:
    masks = {split: pc.equal(selected["split"], split).cast(pa.int64()) for split in SPLITS}
    table = selected.select(["taxon_id", "photo_id", "observation_uuid", "observer_id"])
    for split, mask in masks.items():
        table = table.append_column(split, mask)
    grouped = table.group_by("taxon_id").aggregate(
        [
            ("photo_id", "count"),
            ("observation_uuid", "count_distinct"),
            ("observer_id", "count_distinct"),
            *((split, "sum") for split in SPLITS),
        ]
    )
    return {
        row["taxon_id"]: {
            "selected": row["photo_id_count"],
            "observations": row["observation_uuid_count_distinct"],
            "observers": row["observer_id_count_distinct"],
            **{split: row[f"{split}_sum"] for split in SPLITS},
        }
        for row in grouped.to_pylist()
    }


def _outcome(row: Mapping[str, Any], is_taken: bool, chosen: Collection[int], least: int) -> str:
    if is_taken:
        return SELECTED
    if row["available"] < least:
        return TOO_FEW
    return HOMONYM if row["taxon_id"] in chosen else BEYOND
