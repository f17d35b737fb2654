"""The description of settings: documentation, form fields."""

from __future__ import annotations

from pathlib import Path

import pytest

from mushroom_tasks.errors import SettingsError
from mushroom_tasks.settings import load_settings
from mushroom_tasks.settings_schema import all_settings, form_fields, markdown_table

ROOT = Path(__file__).resolve().parents[2]


def test_all_settings__have_a_description_and_a_type() -> None:
    lacking = [s.path for s in all_settings() if not s.description or not ({"type", "enum"} & set(s.schema))]
    assert lacking == []


def test_markdown_table__is_what_the_documentation_holds() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == markdown_table(), "run `make docs`"


def test_form_fields__carries_limits_and_the_default_in_force() -> None:
    settings = load_settings({"selection": {"photos_per_species": 77}})
    path = "selection.photos_per_species"
    field = form_fields([path], settings)[path]

    assert field["type"] == "integer"
    assert (field["minimum"], field["maximum"], field["default"]) == (1, 100_000, 77)
    assert field["title"] == "Photos per species"


def test_form_fields__an_optional_number_may_be_empty() -> None:
    assert form_fields(["pruning.eps"], load_settings())["pruning.eps"]["type"] == ["number", "null"]


def test_form_fields__never_shows_the_database_address() -> None:
    settings = load_settings({"database_url": "postgresql+psycopg2://me:secret@host/db"})
    assert "secret" not in str(form_fields(["database_url"], settings))


def test_form_fields__names_an_unknown_setting() -> None:
    with pytest.raises(SettingsError, match=r"selection\.fotos"):
        form_fields(["selection.fotos"], load_settings())
