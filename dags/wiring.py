"""What the three DAGs share: assets, default arguments, form fields, and the call of a stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, Param
from airflow.sdk.exceptions import AirflowFailException
from pydantic import validate_call

from mushroom_tasks.errors import DatabaseError, MushroomError, SourceError, StorageError, TrackingError
from mushroom_tasks.settings import load_settings, nest
from mushroom_tasks.settings_schema import form_fields

OBSERVATIONS = Asset(name="observations", uri="mushroom://observations", group="mushrooms")
DATASET = Asset(name="dataset", uri="mushroom://dataset", group="mushrooms")

TAGS = ["mushrooms"]
START = datetime(2026, 1, 1, tzinfo=UTC)
DEFAULT_ARGS = {
    "owner": "mushrooms",
    "retries": 2,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=15),
    "execution_timeout": timedelta(hours=6),
}
# Tasks that train or embed run one at a time on a machine, on workers that listen to this queue.
GPU = {"pool": "gpu", "queue": "gpu", "execution_timeout": timedelta(days=2)}

# What may pass by itself is tried again; what is wrong with settings or data fails at once.
_PASSING = (SourceError, DatabaseError, StorageError, TrackingError)


def form(*paths: str, **choices: Sequence[str]) -> dict[str, Param]:
    """Return trigger-form fields for these settings, with the values in force as defaults.

    `choices` limits a field to some values, by the last part of its path.
    """
    fields = form_fields(paths, load_settings())
    return {path: _param(path, schema, choices.get(path.rpartition(".")[2])) for path, schema in fields.items()}


def recipe_form(*paths: str) -> dict[str, Param]:
    """Return trigger-form fields for what a recipe gives: empty, unless somebody wants it otherwise."""
    fields = form_fields(paths, load_settings())
    for schema in fields.values():
        schema["description"] += " Empty: as the recipe has it."
        schema["type"], schema["default"] = ["null", schema["type"]], None
        if "enum" in schema:
            schema["enum"] = [None, *schema["enum"]]
    return {path: _param(path, schema, None) for path, schema in fields.items()}


def call(stage: str, params: Mapping[str, Any], *inputs: Any) -> dict[str, Any]:
    """Run a stage with the form's values on top of the settings; return its result for XCom."""
    from mushroom_tasks import stages

    chosen = {path: value for path, value in params.items() if "." in path or path == "root_taxa"}
    chosen = {path: value for path, value in chosen.items() if value is not None or not path.startswith("training.")}
    try:
        # XCom brings results back as plain dicts; validate_call makes them what the stage declares.
        result = validate_call(getattr(stages, stage))(load_settings(nest(chosen)), *inputs)
    except MushroomError as error:
        if isinstance(error, _PASSING):
            raise
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error
    return dict(result.model_dump(mode="json"))


def _param(path: str, schema: dict[str, Any], choices: Sequence[str] | None) -> Param:
    if choices is not None:
        schema["enum"] = list(choices)
    section = path.rpartition(".")[0].replace("_", " ").capitalize() or "General"
    if allowed := schema.get("items", {}).get("enum"):
        schema["examples"] = allowed  # the form shows an array with examples as a multiple choice
    return Param(schema.pop("default"), section=section, **schema)
