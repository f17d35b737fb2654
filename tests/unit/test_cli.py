"""The program `mushroom`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mushroom_tasks.cli.main import app
from mushroom_tasks.cli.options import settings_from
from mushroom_tasks.errors import ImportFailed, SettingsError

runner = CliRunner()


def test_settings_from__flags_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSHROOM_SELECTION__SEED", "3")
    monkeypatch.setenv("MUSHROOM_SOURCE", "/environment")
    settings = settings_from(tmp_path, ["selection.photos_per_species=77", "training.backbone=mobile"], "/flag")

    assert (settings.selection.seed, settings.selection.photos_per_species) == (3, 77)
    assert (settings.source, settings.home, settings.training.backbone) == ("/flag", tmp_path, "mobile")


def test_settings_from__lists_and_empty_values(tmp_path: Path) -> None:
    settings = settings_from(tmp_path, ["root_taxa=[47170]", "selection.licenses=['CC0']"])
    assert (settings.root_taxa, settings.selection.licenses) == ((47170,), ("CC0",))


@pytest.mark.parametrize("item", ["selection.seed", "=3", "selection.sed=3"])
def test_settings_from__names_a_flag_that_cannot_be_used(tmp_path: Path, item: str) -> None:
    with pytest.raises(SettingsError, match="Received"):
        settings_from(tmp_path, [item])


def test_datasets__of_an_empty_home_is_an_empty_list(tmp_path: Path) -> None:
    result = runner.invoke(app, ["datasets", "--json", "--workdir", str(tmp_path)])

    assert result.exit_code == 0
    assert json.loads(result.stdout) == []


def test_settings__hides_the_database_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSHROOM_DATABASE_URL", "postgresql+psycopg2://me:secret@host/db")
    result = runner.invoke(app, ["settings", "--workdir", str(tmp_path)])

    assert result.exit_code == 0
    assert "secret" not in result.stdout


def test_every_command__has_a_description() -> None:
    listed = runner.invoke(app, ["--help"]).stdout + runner.invoke(app, ["stage", "--help"]).stdout
    commands = [
        *app.registered_commands,
        *(c for group in app.registered_groups for c in group.typer_instance.registered_commands),
    ]

    assert len(commands) > 15
    assert all(command.callback.__doc__ for command in commands)
    assert "bundle" in listed


def test_import__names_a_licence_that_is_none_before_anything_is_read(tmp_path: Path) -> None:
    result = runner.invoke(app, ["import", "folder", str(tmp_path), "--license", "mine", "--workdir", str(tmp_path)])
    assert isinstance(result.exception, ImportFailed)
    assert "'mine'" in str(result.exception)


def test_import__a_hub_name_is_no_address(tmp_path: Path) -> None:
    command = ["import", "huggingface", "https://evil.example/x", "--license", "CC0", "--workdir", str(tmp_path)]
    result = runner.invoke(app, command)
    assert isinstance(result.exception, ImportFailed)


@pytest.mark.parametrize("command", [["import", "folder"], ["import", "huggingface"], ["quickstart"]])
def test_import__every_option_is_explained(command: list[str]) -> None:
    result = runner.invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "--train" in result.stdout
