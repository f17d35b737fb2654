"""`mushroom review list | export | import`: the sets that people review, and their decisions as CSV."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mushroom_tasks.cli.options import Overrides, Workdir, settings_from
from mushroom_tasks.errors import CurationError

if TYPE_CHECKING:
    from sqlalchemy import Engine

app = typer.Typer(no_args_is_help=True, help="What people decide about photos; the page itself is in Airflow's menu.")


@app.command("list")
def list_sets(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    workdir: Workdir = None,
    overrides: Overrides = None,
) -> None:
    """List the review sets, the newest first: photos, and how far their review has come."""
    from mushroom_tasks.curation import review

    found = review.sets(_engine(workdir, overrides))
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], indent=2, default=str))
        return
    for each in found:
        flagged = each.pruned + each.doubtful
        typer.echo(
            f"{each.fingerprint}  {each.queued_at:%Y-%m-%d %H:%M}  {each.photos:,} photos, {each.pruned:,} pruned, "
            f"{each.doubtful:,} in doubt; {flagged - each.waiting:,} of {flagged:,} reviewed  {each.origin}"
        )


@app.command("export")
def export_decisions(
    file: Annotated[Path, typer.Argument(help="CSV file to write; - for the output.")],
    workdir: Workdir = None,
    overrides: Overrides = None,
) -> None:
    """Write the decisions in force as CSV: photo, species, verdict, who and when."""
    from mushroom_tasks.curation import review

    engine = _engine(workdir, overrides)
    table, names = review.decisions(engine), review.species_names(engine)
    if str(file) == "-":
        review.export_csv(table, names, sys.stdout)
        return
    with file.open("w", encoding="utf-8", newline="") as opened:
        review.export_csv(table, names, opened)
    typer.echo(f"{table.num_rows:,} decisions in {file}", err=True)


@app.command("import")
def import_decisions(
    file: Annotated[Path, typer.Argument(help="CSV file, as `mushroom review export` writes it.")],
    workdir: Workdir = None,
    overrides: Overrides = None,
) -> None:
    """Take the decisions of a CSV file in, but for those older than what is decided here."""
    from mushroom_tasks.curation import review

    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:  # spreadsheets put a mark before the text
            found = review.import_csv(_engine(workdir, overrides), opened)
    except (OSError, UnicodeDecodeError) as error:
        raise CurationError(f"{file} cannot be read as CSV in UTF-8: {error}") from error
    typer.echo(
        f"{found.imported:,} decisions taken in, {found.unchanged:,} were in force already, {found.older:,} are older "
        "than what was decided here."
    )
    if found.unseen:
        typer.echo(
            f"{found.unseen:,} of those taken in are on photos that no review set shows under that species; they count "
            "as soon as a data set has them."
        )


def _engine(workdir: Path | None, overrides: list[str] | None) -> Engine:
    from mushroom_tasks.db.engine import migrate, open_engine

    engine = open_engine(settings_from(workdir, overrides))
    migrate(engine)
    return engine
