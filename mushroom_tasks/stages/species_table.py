"""The counts per species as a table to read: on a terminal and in a task's log.

log.info("%s", as_text(species_table(selection.species, left_out=5)))
"""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.compute as pc
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from mushroom_tasks.inat.selecting.species_counts import SELECTED
from mushroom_tasks.manifests import SPLITS

_COUNTS = ("photos", "available", "selected", "observations", "observers", *SPLITS)
WIDTH = 160  # columns, where no terminal says how many


def species_table(species: pa.Table, *, most: int | None = None, left_out: int = 10) -> Table:
    """Return the selected species and the first of those that are left out, with the totals.

    `species` has the schema SPECIES_COUNTS. `most` limits the selected species that are shown; None shows all.
    """
    is_taken = pc.equal(species["outcome"], SELECTED)
    taken, others = species.filter(is_taken), species.filter(pc.invert(is_taken))
    table = Table(box=box.SIMPLE_HEAD, show_footer=True)
    table.add_column("rank", justify="right")
    table.add_column("taxon_id", justify="right")
    table.add_column("species", f"{taken.num_rows:,} selected of {species.num_rows:,}", min_width=24)
    for name in _COUNTS:
        # Observers of several species would be counted several times.
        total = "" if name == "observers" else f"{pc.sum(taken[name]).as_py() or 0:,}"
        table.add_column(name, total, justify="right")
    table.add_column("outcome", no_wrap=True)
    shown = taken if most is None else taken.slice(0, most)
    _add(table, shown)
    if shown.num_rows < taken.num_rows:
        table.add_row("...", "", Text(f"{taken.num_rows - shown.num_rows:,} more", "dim"))
    table.add_section()
    _add(table, others.slice(0, left_out))
    if left_out < others.num_rows:
        table.add_row("...", "", Text(f"{others.num_rows - left_out:,} more", "dim"))
    return table


def as_text(shown: RenderableType) -> str:
    """Return what rich would show, as plain text."""
    console = Console(file=io.StringIO(), width=WIDTH, no_color=True, force_terminal=False)
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


def _add(table: Table, rows: pa.Table) -> None:
    for row in rows.to_pylist():
        # Names come from upstream: as Text, nothing in them is taken for markup.
        cells = [f"{row[name]:,}" for name in _COUNTS]
        table.add_row(
            str(row["rank"]), str(row["taxon_id"]), Text(row["scientific_name"], "italic"), *cells, row["outcome"]
        )
