"""`mushroom import folder | huggingface` and `mushroom quickstart`: data sets of other photos than a snapshot's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mushroom_tasks.cli.options import Overrides, Source, Workdir, report_stage, settings_from

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mushroom_tasks.imports.item import Item
    from mushroom_tasks.settings import Settings

app = typer.Typer()
imports = typer.Typer(no_args_is_help=True, help="Make a data set of photos that do not come from iNaturalist.")
app.add_typer(imports, name="import")

License = Annotated[
    str, typer.Option("--license", help="Licence of every photo that has none of its own, e.g. CC-BY (version 4.0).")
]
Credit = Annotated[str, typer.Option(help="Whom to credit for every photo that names nobody.")]
Train = Annotated[bool, typer.Option("--train", help="Also train, evaluate, export and register a model.")]


@imports.command()
def folder(
    path: Annotated[Path, typer.Argument(help="Folder with one folder per species, named by its scientific name.")],
    license_: License = "",
    credit: Credit = "",
    metadata: Annotated[
        Path | None,
        typer.Option(
            help="CSV with a column `file` and any of species, observer, observation, license, credit, date, latitude, "
            "longitude; default: metadata.csv in the folder, where there is one."
        ),
    ] = None,
    train: Train = False,
    workdir: Workdir = None,
    overrides: Overrides = None,
) -> None:
    """Make a data set of a folder of labelled photos; prints its fingerprint and how to train on it."""
    from mushroom_tasks.imports.folder import folder_items

    settings = settings_from(workdir, overrides)
    items = folder_items(path.expanduser(), settings.download.max_bytes, metadata)
    _import(settings, items, license_, credit, f"folder {path.expanduser().absolute().name}", train)


@imports.command()
def huggingface(
    name: Annotated[str, typer.Argument(help="Folder or Parquet file on this machine, or a name at the hub.")],
    license_: License = "",
    credit: Credit = "",
    image_column: Annotated[str, typer.Option(help="Column of the photos; default: the only one of images.")] = "",
    label_column: Annotated[
        str, typer.Option(help="Column of scientific names; default: the only one of labels.")
    ] = "",
    observer_column: Annotated[str, typer.Option(help="Column that says who took the photo.")] = "",
    observation_column: Annotated[str, typer.Option(help="Column that is the same for photos of one find.")] = "",
    license_column: Annotated[str, typer.Option(help="Column of licences.")] = "",
    credit_column: Annotated[str, typer.Option(help="Column of names to credit; default: the observers'.")] = "",
    date_column: Annotated[str, typer.Option(help="Column of dates, as 2024-09-01.")] = "",
    configuration: Annotated[str | None, typer.Option(help="Configuration, where the data set has several.")] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a data set at the hub.")] = None,
    train: Train = False,
    workdir: Workdir = None,
    overrides: Overrides = None,
) -> None:
    """Make a data set of a Hugging Face image data set; no code of it is ever run."""
    from mushroom_tasks.imports.huggingface import Columns, HuggingFaceSource

    settings = settings_from(workdir, overrides)
    columns = Columns(
        image=image_column,
        label=label_column,
        observer=observer_column,
        observation=observation_column,
        license=license_column,
        credit=credit_column,
        date=date_column,
    )
    source = HuggingFaceSource(name, columns, configuration, revision)
    _import(
        settings, source.items(settings.download.max_bytes), license_, credit, f"Hugging Face data set {name}", train
    )


@app.command()
def quickstart(
    species: Annotated[list[str], typer.Argument(help="Scientific names, or iNaturalist taxon ids; two or more.")],
    photos: Annotated[int, typer.Option(min=1, max=500, help="Photos per species at the most.")] = 60,
    again: Annotated[bool, typer.Option("--again", help="Ask anew what the API has answered before.")] = False,
    train: Train = False,
    source: Source = None,
    workdir: Workdir = None,
    overrides: Overrides = None,
) -> None:
    """Make a data set of real photos of a few species through iNaturalist's public API, without its metadata files."""
    from mushroom_tasks import stages

    least = min(photos, settings_from(workdir, overrides, source).selection.min_photos_per_species)
    chosen = [
        f"selection.photos_per_species={photos}",
        f"selection.min_photos_per_species={least}",
        *(overrides or []),
    ]
    settings = settings_from(workdir, chosen, source)
    dataset = stages.quickstart(settings, species, report_stage, again=again)
    _tell(settings, dataset.fingerprint, train)


def _import(settings: Settings, items: Iterable[Item], license_: str, credit: str, origin: str, train: bool) -> None:
    from mushroom_tasks import stages
    from mushroom_tasks.imports.intake import Terms

    imported = stages.import_photos(settings, items, Terms(license_, credit))
    report_stage("import", imported)
    dataset = stages.finish(settings, imported.downloads, imported.shards, origin, report_stage)
    _tell(settings, dataset.fingerprint, train)


def _tell(settings: Settings, dataset: str, train: bool) -> None:
    from mushroom_tasks import stages

    if train:
        typer.echo(stages.train_model(settings, dataset, report_stage))
        return
    typer.echo(f"data set {dataset}")
    typer.echo(f"train on it: mushroom stage train {dataset} --workdir {settings.home}")
