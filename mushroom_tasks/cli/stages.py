"""`mushroom stage NAME`: every stage by hand; each prints its result as JSON.

The stages are imported when a command runs: `mushroom predict` must not wait for what it does not need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mushroom_tasks.cli.options import Overrides, Source, Workdir, settings_from

if TYPE_CHECKING:
    from mushroom_tasks.stages.results import Result

app = typer.Typer(no_args_is_help=True, help="One stage of the workflow by hand. Each prints its result as JSON.")

Selection = Annotated[str, typer.Argument(help="Fingerprint that `mushroom select` printed.")]
Downloads = Annotated[str, typer.Argument(help="Fingerprint that `mushroom stage download` printed.")]
Pruned = Annotated[str, typer.Argument(help="Fingerprint that `mushroom stage prune` printed.")]
Dataset = Annotated[str, typer.Argument(help="Fingerprint of the data set; see `mushroom datasets`.")]
Shards = Annotated[int, typer.Option(min=1, max=64, help="Number of shards, worked off one after the other.")]


@app.command()
def ingest(
    again: Annotated[bool, typer.Option("--again", help="Also load a snapshot that was rolled back.")] = False,
    source: Source = None,
    workdir: Workdir = None,
    overrides: Overrides = None,
) -> None:
    """Fetch the newest snapshot and load it into PostgreSQL; does nothing where it is loaded already."""
    from mushroom_tasks import stages

    settings = settings_from(workdir, overrides, source)
    fetched = stages.snapshot(settings, again=again)
    _show(stages.ingest(settings, fetched) if fetched.is_new else fetched)


@app.command()
def download(
    selection: Selection,
    shards: Shards = 1,
    source: Source = None,
    workdir: Workdir = None,
    overrides: Overrides = None,
) -> None:
    """Download the photos of a selection."""
    from mushroom_tasks import stages

    settings = settings_from(workdir, overrides, source)
    for shard in range(shards):
        stages.download_shard(settings, selection, shard, shards)
    _show(stages.collect_downloads(settings, selection, shards))


@app.command()
def embed(downloads: Downloads, shards: Shards = 1, workdir: Workdir = None, overrides: Overrides = None) -> None:
    """Embed downloaded photos with the pretrained backbone."""
    from mushroom_tasks import stages

    settings = settings_from(workdir, overrides)
    for shard in range(shards):
        _show(stages.embed_shard(settings, downloads, shard, shards))


@app.command()
def prune(downloads: Downloads, workdir: Workdir = None, overrides: Overrides = None) -> None:
    """Flag outliers, duplicates, poor photos and suspected labels."""
    from mushroom_tasks import stages

    _show(stages.prune(settings_from(workdir, overrides), downloads))


@app.command()
def report(pruned: Pruned, workdir: Workdir = None, overrides: Overrides = None) -> None:
    """Make the report of a pruned manifest: one HTML page, a contact sheet per species, figures."""
    from mushroom_tasks import stages

    _show(stages.report(settings_from(workdir, overrides), pruned))


@app.command("review")
def queue_review(pruned: Pruned, workdir: Workdir = None, overrides: Overrides = None) -> None:
    """Put the photos of a pruned manifest on the page where people decide."""
    from mushroom_tasks import stages

    _show(stages.queue_review(settings_from(workdir, overrides), pruned))


@app.command()
def publish(pruned: Pruned, workdir: Workdir = None, overrides: Overrides = None) -> None:
    """Publish a pruned manifest as a data set, as people decided."""
    from mushroom_tasks import stages

    _show(stages.publish(settings_from(workdir, overrides), pruned))


@app.command()
def train(dataset: Dataset, workdir: Workdir = None, overrides: Overrides = None) -> None:
    """Train, evaluate, export and register a model of a data set."""
    from mushroom_tasks import stages

    settings = settings_from(workdir, overrides)
    plan = stages.plan_training(settings, dataset)
    _show(plan)
    if plan.is_new:
        for stage in (stages.train, stages.evaluate, stages.export, stages.register):
            _show(stage(settings, plan))


def _show(result: Result) -> None:
    typer.echo(result.model_dump_json())
