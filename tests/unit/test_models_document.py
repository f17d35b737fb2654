"""docs/models.md shows the backbones as they are."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from mushroom_tasks.cli.main import app

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "models.md"


def test_document__has_the_table_that_the_command_prints() -> None:
    printed = CliRunner().invoke(app, ["backbones", "--markdown"]).stdout
    assert printed.count("\n| `") == 13
    assert f"<!-- mushroom backbones --markdown -->\n{printed}<!-- end -->" in DOCUMENT.read_text(encoding="utf-8")


def test_backbones__says_in_a_terminal_which_weights_are_not_for_commerce() -> None:
    printed = CliRunner().invoke(app, ["backbones"]).stdout.splitlines()
    assert len(printed) == 14
    assert sum("no commercial use" in line for line in printed) == 5
