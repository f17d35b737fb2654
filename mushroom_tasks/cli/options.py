"""Options that several commands share, how they become settings, and how a stage's result is shown."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mushroom_tasks.errors import SettingsError
from mushroom_tasks.settings import Settings, load_settings, nest

if TYPE_CHECKING:
    from mushroom_tasks.stages.results import Result

Workdir = Annotated[
    Path | None,
    typer.Option("--workdir", "--home", help="Folder that holds all state; default MUSHROOM_HOME, or .mushroom here."),
]
Source = Annotated[str | None, typer.Option(help="Bucket in iNaturalist's layout: an HTTP(S) address or a folder.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any setting, as in docs/settings.md: --set selection.photos_per_species=200"),
]


def settings_from(
    workdir: Path | None = None, overrides: list[str] | None = None, source: str | None = None
) -> Settings:
    """Return the settings in force with what the flags say on top."""
    flat: dict[str, Any] = dict(_parse(item) for item in overrides or [])
    if workdir is not None:
        flat["home"] = workdir
    if source is not None:
        flat["source"] = source
    return load_settings(nest(flat))


def report_stage(stage: str, result: Result) -> None:
    """Show the short values of a stage's result on one line."""
    counts = ", ".join(f"{name} {value}" for name, value in result.model_dump(mode="json").items() if _is_short(value))
    typer.echo(f"{stage}: {counts}", err=True)


def _is_short(value: object) -> bool:
    return isinstance(value, (int, float, str)) and len(str(value)) < 40 and value is not None


def _parse(item: str) -> tuple[str, Any]:
    name, equals, text = item.partition("=")
    if not equals or not name:
        raise SettingsError(f"--set takes NAME=VALUE. Received: {item!r}")
    # A value is read as TOML (numbers, lists, true); what is no TOML is taken as text.
    try:
        return name.strip(), tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), text
