"""`mushroom up | status | down | demo | serve`: the services of one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mushroom_tasks.cli.options import Overrides, Source, Workdir, settings_from

app = typer.Typer()


@app.command()
def up(source: Source = None, workdir: Workdir = None, overrides: Overrides = None) -> None:
    """Start PostgreSQL, MLflow and Airflow in the background."""
    from mushroom_tasks.local import stack

    typer.echo(stack.up(settings_from(workdir, overrides, source), sample=False).describe())


@app.command()
def status(workdir: Workdir = None) -> None:
    """Show which services run, and where."""
    from mushroom_tasks.local import stack

    for state in stack.status(settings_from(workdir)):
        typer.echo(state.describe())


@app.command()
def down(workdir: Workdir = None) -> None:
    """Stop the services; what they keep stays."""
    from mushroom_tasks.local import stack

    stack.down(settings_from(workdir))


@app.command()
def demo(
    exit_when_done: Annotated[bool, typer.Option("--exit", help="Stop the services when the job is done.")] = False,
    source: Source = None,
    workdir: Workdir = None,
    overrides: Overrides = None,
) -> None:
    """Run the whole workflow through Airflow on the sample bucket, with live progress."""
    from mushroom_tasks.local import demo as demonstration

    raise typer.Exit(
        demonstration.run(
            settings_from(workdir, overrides, source),
            use_sample=source is None,
            exit_when_done=exit_when_done,
        )
    )


@app.command()
def serve(
    folder: Annotated[Path, typer.Argument(help="Folder in iNaturalist's layout.")],
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8090,
) -> None:
    """Serve a bucket's folder over HTTP on this machine (loopback only), as a stand-in for the real bucket."""
    from mushroom_tasks.sample import server

    server.serve(folder, "127.0.0.1", port)
