"""`mushroom select`: what a data set would be made of, before anything is fetched."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mushroom_tasks.cli.options import Overrides, Workdir, settings_from

if TYPE_CHECKING:
    from mushroom_tasks.inat.selecting.selection import Selection

app = typer.Typer()


@app.command()
def select(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the table per species and write no selection.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The counts of all species as JSON.")] = False,
    csv: Annotated[
        Path | None, typer.Option(help="With --dry-run: also write the counts to this file; - for the output.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="With --dry-run: also draw photos per species, .png.")] = None,
    left_out: Annotated[int, typer.Option(min=0, help="So many of the species that are left out are shown.")] = 10,
    workdir: Workdir = None,
    overrides: Overrides = None,
) -> None:
    """Select N photos of M species; --dry-run shows the counts per species before anything is fetched."""
    from mushroom_tasks import stages

    settings = settings_from(workdir, overrides)
    if not dry_run:
        if csv is not None or plot is not None:
            raise typer.BadParameter("--csv and --plot go with --dry-run; a selection has both beside its manifest")
        typer.echo(stages.select(settings).model_dump_json())
        return
    found = stages.preview(settings)
    if csv is not None:
        _write_csv(found, csv)
    if plot is not None:
        from mushroom_tasks.inat.selecting.long_tail import plot_long_tail

        with plot.open("wb") as file:
            plot_long_tail(found.species, settings.selection, file)
    if as_json:
        typer.echo(json.dumps(found.species.to_pylist(), indent=2, ensure_ascii=False))
    elif str(csv) != "-":
        _show(found, left_out)


def _show(found: Selection, left_out: int) -> None:
    from rich.console import Console

    from mushroom_tasks.stages.species_table import WIDTH, species_table

    console = Console()
    if not console.is_terminal:  # a pipe or a file has no width, for which rich takes 80 columns
        console = Console(width=WIDTH)
    console.print(species_table(found.species, left_out=left_out))


def _write_csv(found: Selection, path: Path) -> None:
    from mushroom_tasks.inat.selecting.species_counts import write_csv

    if str(path) == "-":
        write_csv(found.species, sys.stdout.buffer)
        return
    with path.open("wb") as file:
        write_csv(found.species, file)
