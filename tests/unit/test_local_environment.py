"""What tasks get through their environment, and where secrets are kept."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mushroom_tasks.errors import ServiceError
from mushroom_tasks.local.credentials import secret, secret_path, write_secret
from mushroom_tasks.local.environment import inherited, settings_environment
from mushroom_tasks.settings import Settings, load_settings, nest


@pytest.fixture(autouse=True)
def _no_settings_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("MUSHROOM_"):
            monkeypatch.delenv(name)


def _loaded_by_a_task(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> Settings:
    with monkeypatch.context() as task:
        for name, value in variables.items():
            task.setenv(name, value)
        return load_settings()


@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"source": "http://127.0.0.1:8090"},
        {"root_taxa": [47120]},
        {"selection.photos_per_species": 7, "selection.min_photos_per_species": 2},
        {"selection.licenses": ["CC0"], "pruning.eps": 0.3, "training.flip": False},
        {"training.phases": [{"name": "head", "depth": 0, "epochs": 1, "learning_rate": 0.01}]},
        {"database_url": "postgresql+psycopg2://user:hidden@host/db", "mlflow_tracking_uri": "http://mlflow"},
    ],
)
def test_settings_environment__gives_tasks_the_settings_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: dict[str, Any]
) -> None:
    settings = load_settings(nest({"home": tmp_path, **flags}))
    assert _loaded_by_a_task(monkeypatch, settings_environment(settings)) == settings


def test_settings_environment__flags_win_over_environment_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mushroom.toml").write_text("[selection]\nseed = 5\nspecies_count = 9\n")
    monkeypatch.setenv("MUSHROOM_SELECTION__SEED", "6")
    settings = load_settings(nest({"home": tmp_path, "selection.seed": 7}))
    found = _loaded_by_a_task(monkeypatch, settings_environment(settings))
    assert (found.selection.seed, found.selection.species_count) == (7, 9)


def test_settings_environment__makes_paths_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.toml").write_text("")
    monkeypatch.setenv("MUSHROOM_CONFIG", "my.toml")
    variables = settings_environment(load_settings({"home": "state", "source": "bucket"}))
    assert variables["MUSHROOM_HOME"] == str(tmp_path / "state")
    assert variables["MUSHROOM_SOURCE"] == str(tmp_path / "bucket")
    assert variables["MUSHROOM_CONFIG"] == str(tmp_path / "my.toml")


def test_inherited__goes_round_proxies_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "intranet")
    assert inherited()["NO_PROXY"] == "intranet,127.0.0.1,localhost"


def test_secret__is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    first = secret(tmp_path, "key")
    assert secret(tmp_path, "key") == first
    assert len(first) == 44
    path = secret_path(tmp_path, "key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_secret__differs_between_names_and_homes(tmp_path: Path) -> None:
    found = {secret(tmp_path / home, name) for home in ("a", "b") for name in ("x", "y")}
    assert len(found) == 4


def test_secret__refuses_an_empty_file(tmp_path: Path) -> None:
    secret(tmp_path, "key")
    secret_path(tmp_path, "key").write_text("")
    with pytest.raises(ServiceError, match="is empty"):
        secret(tmp_path, "key")


def test_write_secret__keeps_the_first(tmp_path: Path) -> None:
    assert write_secret(tmp_path, "users", "one") == "one"
    assert write_secret(tmp_path, "users", "two") == "one"
    assert [path.name for path in secret_path(tmp_path, "users").parent.iterdir()] == ["users"]
