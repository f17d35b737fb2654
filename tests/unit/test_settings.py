"""settings: one frozen object; flags over environment over file over defaults; errors that name what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from mushroom_tasks.errors import SettingsError
from mushroom_tasks.settings import Settings, flat, load_settings, nest

SECRET = "postgresql+psycopg2://somebody:hunter2@db.example/mushroom"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("MUSHROOM_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_load_settings__has_a_default_for_everything(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.home == tmp_path / ".mushroom"
    assert settings.store == str(tmp_path / ".mushroom" / "store")
    assert settings.cache == tmp_path / ".mushroom" / "cache"
    assert settings.root_taxa == (47169, 48250)
    assert [phase.name for phase in settings.training.phases] == ["head", "last", "deep"]


def test_load_settings__flags_over_environment_over_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text("[selection]\nseed = 1\nphotos_per_species = 100\nspecies_count = 10\n")
    monkeypatch.setenv("MUSHROOM_CONFIG", str(tmp_path / "m.toml"))
    monkeypatch.setenv("MUSHROOM_SELECTION__SEED", "2")
    monkeypatch.setenv("MUSHROOM_SELECTION__PHOTOS_PER_SPECIES", "200")
    selection = load_settings({"selection": {"seed": 3}}).selection
    assert (selection.seed, selection.photos_per_species, selection.species_count) == (3, 200, 10)
    assert selection.max_photos_per_observation == 10, "what nobody sets keeps its default"


def test_load_settings__reads_lists_and_phases_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSHROOM_ROOT_TAXA", "[47208]")
    monkeypatch.setenv(
        "MUSHROOM_TRAINING__PHASES", '[{"name": "head", "depth": 0, "epochs": 1, "learning_rate": 0.01}]'
    )
    settings = load_settings()
    assert settings.root_taxa == (47208,)
    assert len(settings.training.phases) == 1


def test_load_settings__finds_the_file_in_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "elsewhere"
    home.mkdir()
    (home / "mushroom.toml").write_text('source = "/data/bucket"\n')
    assert load_settings({"home": home}).source == "/data/bucket"
    monkeypatch.setenv("MUSHROOM_HOME", str(home))
    assert load_settings().source == "/data/bucket"


def test_load_settings__names_a_settings_file_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSHROOM_CONFIG", "/nowhere/m.toml")
    with pytest.raises(SettingsError, match=r"/nowhere/m\.toml"):
        load_settings()


@pytest.mark.parametrize("content", [b"source = ", b"\xff\xfe"], ids=["syntax", "encoding"])
def test_load_settings__names_a_settings_file_that_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mushroom.toml").write_bytes(content)
    with pytest.raises(SettingsError, match=r"mushroom\.toml is not valid TOML"):
        load_settings({"home": tmp_path})


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"selection": {"species_count": 1}}, r"selection\.species_count: .*Received: 1\."),
        ({"selection": {"specie_count": 9}}, r"selection\.specie_count: .*Received: 9\."),
        ({"selection": {"licenses": ["CC-BY", "WTFPL"]}}, r"unknown licences \['WTFPL'\]"),
        ({"selection": {"photos_per_species": 10}}, "min_photos_per_species is larger"),
        ({"selection": {"quality_grades": ["verifiable"]}}, "'verifiable'"),
        ({"download": {"size": "enormous"}}, r"download\.size: .*'enormous'"),
        ({"export": {"precisions": ["int4"]}}, "'int4'"),
        ({"source": ""}, "source is empty"),
        ({"root_taxa": []}, "root_taxa"),
        ({"colour": "red"}, "colour"),
        ({"training": {"phases": [{"name": "head"}]}}, r"training\.phases\.0\.depth"),
    ],
)
def test_load_settings__names_what_is_wrong(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        load_settings(overrides)
    assert "docs/settings.md" in str(caught.value)


def test_load_settings__names_everything_that_is_wrong_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"download": {"retries": -1, "timeout": 0}, "colour": 1})
    assert all(name in str(caught.value) for name in ("download.retries", "download.timeout", "colour"))


@pytest.mark.parametrize("overrides", [{}, {"source": ""}, {"selection": {"seed": -1}}])
def test_load_settings__never_shows_a_password(overrides: dict[str, object]) -> None:
    plain = SECRET.replace("+psycopg2", "")
    with pytest.raises(SettingsError) as caught:
        load_settings({"database_url": plain, **overrides, "colour": 1})
    assert "hunter2" not in str(caught.value)


def test_load_settings__refuses_a_url_that_means_another_driver() -> None:
    with pytest.raises(SettingsError, match=r"postgresql\+psycopg2://") as caught:
        load_settings({"database_url": SECRET.replace("+psycopg2", "")})
    assert "hunter2" not in str(caught.value)


def test_settings__hides_the_password() -> None:
    settings = load_settings({"database_url": SECRET})
    assert "hunter2" not in repr(settings) + settings.model_dump_json()
    assert settings.database_url.get_secret_value() == SECRET


def test_settings__cannot_be_changed() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.source = "/elsewhere"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        settings.download.retries = 9  # type: ignore[misc]


def test_nest__makes_flags_into_sections() -> None:
    nested = nest({"selection.seed": 2, "selection.species_count": 20, "source": "/data"})
    assert nested == {"selection": {"seed": 2, "species_count": 20}, "source": "/data"}
    assert load_settings(nested).selection.seed == 2
    assert flat(nested) == {"selection.seed": 2, "selection.species_count": 20, "source": "/data"}


def test_settings__describe_every_field() -> None:
    missing = [
        f"{section}.{name}"
        for section, field in Settings.model_fields.items()
        for name, inner in getattr(field.annotation, "model_fields", {section: field}).items()
        if not inner.description
    ]
    assert missing == []
