"""Recipes: a preset gives what is not set; what is set stands over it; what is resolved is what is remembered."""

from __future__ import annotations

from typing import get_args

import pytest

from mushroom_tasks.errors import SettingsError
from mushroom_tasks.settings import RECIPES, TrainingSettings, load_settings
from mushroom_tasks.settings.training import RecipeName


@pytest.mark.parametrize("name", RECIPES)
def test_recipe__is_documented_and_can_be_chosen(name: RecipeName) -> None:
    recipe = RECIPES[name]
    assert all(len(text) > 40 for text in (recipe.purpose, recipe.cost, recipe.expected))
    settings = TrainingSettings(recipe=name)
    told = {field: getattr(settings, field) for field in recipe.values if field != "phases"}
    assert told == {field: value for field, value in recipe.values.items() if field != "phases"}
    assert set(RECIPES) == set(get_args(RecipeName))


def test_recipe__gives_what_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSHROOM_TRAINING__RECIPE", "seed")
    monkeypatch.setenv("MUSHROOM_TRAINING__EMA_MOMENTUM", "0.5")
    training = load_settings({"training": {"batch_size": 8}}).training
    assert (training.ema_momentum, training.batch_size) == (0.5, 8)
    assert (training.optimizer, training.schedule, training.label_smoothing) == ("adam", "plateau", 0.0)


def test_recipe__seed_smooths_averages_and_mixes_nothing() -> None:
    seed = TrainingSettings(recipe="seed")
    off = ("label_smoothing", "ema_momentum", "mixup_alpha", "cutmix_alpha", "randaugment_number", "weight_decay")
    assert {getattr(seed, name) for name in off} == {0}
    assert [phase.depth for phase in seed.phases] == sorted(phase.depth for phase in seed.phases)
    assert seed.phases[0].depth == 0


def test_recipe__reads_back_what_it_resolved() -> None:
    seed = TrainingSettings(recipe="seed", dropout=0.3)
    assert TrainingSettings.model_validate(seed.model_dump(mode="json")) == seed


def test_identity__goes_by_what_a_recipe_resolves_to_not_by_its_name() -> None:
    seed = TrainingSettings(recipe="seed")
    spelt_out = TrainingSettings(**{**seed.model_dump(), "recipe": "default"})
    assert seed.identity() == spelt_out.identity()
    assert seed.identity() != TrainingSettings().identity()
    assert seed.identity() == seed.model_copy(update={"backup_seconds": 5.0, "weights": "none"}).identity()


@pytest.mark.parametrize("name", ["sead", ["seed"], None])
def test_recipe__refuses_unknown_name(name: object) -> None:
    with pytest.raises(SettingsError, match=r"training\.recipe: .*'default'.*'seed'"):
        load_settings({"training": {"recipe": name}})
