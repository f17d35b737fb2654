"""Limits of the selection's settings."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mushroom_tasks.errors import SettingsError
from mushroom_tasks.settings import SelectionSettings, load_settings
from mushroom_tasks.storage import fingerprint


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bounding_box": (1, 2, 3)}, "four numbers"),
        ({"bounding_box": (1, 50, 3, 40)}, "south up to north"),
        ({"bounding_box": (-181, 0, 3, 40)}, "from -180 to 180"),
        ({"bounding_box": (3, 0, 3, 40)}, "west 3, south 0, east 3"),
        ({"countries": ("DNK",)}, "countries"),
        ({"observed_from": "2024-02-01", "observed_to": "2024-01-31"}, "later than observed_to"),
        ({"observed_from": "yesterday"}, "observed_from"),
        ({"min_anomaly_score": -1}, "greater than or equal to 0"),
        ({"species": ("",)}, "species"),
        ({"species": (True,)}, "species"),
    ],
)
def test_selection_settings__refuse(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SelectionSettings(**settings)


def test_selection_settings__take_ids_as_numbers_and_codes_in_small_letters() -> None:
    settings = SelectionSettings(
        species=(48715, " Boletus edulis "), countries=("dk",), bounding_box=(170, -50, -170, 0)
    )
    assert settings.species == ("48715", "Boletus edulis")
    assert settings.countries == ("DK",)


def test_selection_settings__of_a_form_equal_those_of_a_file() -> None:
    """Web forms send text, lists and null; the fingerprint of a selection must not depend on where it was asked."""
    form = load_settings(
        {"selection": {"observed_from": "2020-01-01", "species": ["12"], "bounding_box": [1, 2, 3, 4]}}
    )
    code = SelectionSettings(observed_from="2020-01-01", species=(12,), bounding_box=(1.0, 2.0, 3.0, 4.0))
    assert fingerprint("x", settings=form.selection) == fingerprint("x", settings=code)
    with pytest.raises(SettingsError, match="min_anomaly_score"):
        load_settings({"selection": {"min_anomaly_score": "high"}})
