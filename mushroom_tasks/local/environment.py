"""What the services and the tasks inside them get through their environment.

Tasks have to see the settings of the command that started them, flags included: whatever differs from what the
environment and the settings file say by themselves is handed on as variables.

    environment(settings)   # {"MUSHROOM_HOME": "/srv/mushroom", "MUSHROOM_SELECTION__SEED": "2", ...}
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from mushroom_tasks.settings import Settings, load_settings

_PREFIX = "MUSHROOM_"

# No program of the stack reports to anyone that it is used.
NO_REPORTS = {
    "DO_NOT_TRACK": "true",
    "SCARF_ANALYTICS": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "false",
}


def settings_environment(settings: Settings) -> dict[str, str]:
    """Return the MUSHROOM_ variables under which a new process loads exactly these settings."""
    variables = {name: value for name, value in os.environ.items() if name.startswith(_PREFIX)}
    if config := variables.get("MUSHROOM_CONFIG"):
        variables["MUSHROOM_CONFIG"] = str(Path(config).absolute())
    found_alone = load_settings({"home": settings.home})
    for name, value in settings:
        if value != getattr(found_alone, name):
            variables |= _variables(f"{_PREFIX}{name.upper()}", value)
    return variables | {"MUSHROOM_HOME": str(settings.home), "MUSHROOM_SOURCE": settings.source}


def inherited() -> dict[str, str]:
    """Return our own environment as a program should inherit it: our Python first, no proxy to ourselves."""
    no_proxy = os.environ.get("NO_PROXY") or os.environ.get("no_proxy")
    direct = ",".join(filter(None, [no_proxy, "127.0.0.1", "localhost"]))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**os.environ, "PATH": path, "NO_PROXY": direct, "no_proxy": direct}


def _variables(name: str, value: Any) -> Mapping[str, str]:
    """Spell a setting as pydantic-settings reads it: text as it is, the rest as JSON."""
    if value is None:
        return {}  # the default, where a setting may be empty; a variable cannot say it
    if isinstance(value, SecretStr):
        return {name: value.get_secret_value()}
    if hasattr(value, "model_dump"):
        # A nested variable in the environment would win over a section given as a whole: spell each field.
        found: dict[str, str] = {}
        for field, content in value:
            found |= _variables(f"{name}__{field.upper()}", content)
        return found
    if isinstance(value, (str, Path)):
        return {name: str(value)}
    return {name: json.dumps(value, default=lambda item: item.model_dump(mode="json"))}
