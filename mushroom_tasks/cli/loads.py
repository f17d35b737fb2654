"""`mushroom loads | rollback`: the history of what PostgreSQL holds, and one step back in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mushroom_tasks.cli.options import Overrides, Workdir, settings_from

if TYPE_CHECKING:
    from mushroom_tasks.db.models import Snapshot

app = typer.Typer()


@app.command()
def loads(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with counts, findings and all changes.")] = False,
    workdir: Workdir = None,
    overrides: Overrides = None,
) -> None:
    """List the loads and rollbacks, the newest first: it is what PostgreSQL holds now."""
    from mushroom_tasks.db.engine import migrate, open_engine
    from mushroom_tasks.inat.refresh import history

    engine = open_engine(settings_from(workdir, overrides))
    migrate(engine)
    found = history.loads(engine)
    if as_json:
        typer.echo(json.dumps([_plain(load) for load in found], indent=2))
        return
    for load in found:
        typer.echo(
            f"{load.loaded_at:%Y-%m-%d %H:%M}  {load.kind:8}  {load.fingerprint}  {load.counts['photos']['kept']:,} "
            f"photos{_changes(load)}"
        )


@app.command()
def rollback(workdir: Workdir = None, overrides: Overrides = None) -> None:
    """Bring back what PostgreSQL held before the last load; one step back is kept, and nothing is asked."""
    from mushroom_tasks import stages

    done = stages.rollback(settings_from(workdir, overrides))
    typer.echo(
        f"The load of snapshot {done.undone} is undone, its tables are dropped. PostgreSQL holds snapshot "
        f"{done.fingerprint} again: {done.photos:,} photos of {done.observations:,} observations. Data sets and models "
        f"stay as they are.\nSnapshot {done.undone} stays out until another one is published; `mushroom stage ingest "
        "--again` loads it all the same."
    )


def _plain(load: Snapshot) -> dict[str, Any]:
    values = {column.name: getattr(load, column.name) for column in load.__table__.columns}
    return {**values, "loaded_at": load.loaded_at.isoformat()}


def _changes(load: Snapshot) -> str:
    if load.changes is None:
        return ""
    names = ("added", "removed", "moved", "changed")
    return ": " + ", ".join(f"{load.changes['totals'][name]:,} {name}" for name in names)
