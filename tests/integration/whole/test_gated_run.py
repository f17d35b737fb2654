"""The same model, exported in another way, that fails a gate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from whole_run import Finished, alias, champion_of, runs_by_key, tracked

from mushroom_tasks import stages
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.results import PlanResult, RegistrationResult


@dataclass(frozen=True)
class Challenged:
    settings: Settings
    plan: PlanResult
    before: Any
    registered: RegistrationResult


@pytest.fixture(scope="module")
def challenged(finished: Finished) -> Challenged:
    """float32 alone has 13 MB, more than registry.max_model_mb allows."""
    settings = finished.changed(export={"precisions": ["float32"]})
    before, plan = champion_of(settings), stages.plan_training(settings)
    assert plan.is_new
    stages.export(settings, plan)
    return Challenged(settings, plan, before, stages.register(settings, plan))


def test_register__what_fails_a_gate_becomes_challenger(challenged: Challenged) -> None:
    found = challenged.registered
    assert (found.version, found.is_champion) == ("2", False)
    assert [reason.partition(":")[0] for reason in found.failed_gates] == ["size"]

    version = alias(challenged.settings, "challenger")
    assert str(version.version) == "2"
    assert version.tags["bundle"] == challenged.plan.bundle
    artifacts = Path(version.source.removeprefix("file://"))
    assert sorted(path.name for path in artifacts.glob("*.tflite")) == ["mushroom-float32.tflite"]
    [run] = runs_by_key(challenged.settings, "model_train")[challenged.plan.model]
    assert run.data.tags["gates"].startswith("failed: size: the smallest variant has 13.")
    assert run.info.status == "FINISHED"


def test_register__a_challenger_leaves_the_champion_and_its_files(challenged: Challenged, finished: Finished) -> None:
    assert challenged.plan.model == finished.plan.model
    assert challenged.plan.bundle != finished.plan.bundle
    assert champion_of(challenged.settings) == challenged.before
    assert stages.open_bundle(finished.settings, finished.store, finished.plan.bundle).manifest.models.keys() == {
        "float32",
        "int8",
    }


def test_register__a_champion_judged_again_by_tighter_gates_stays(finished: Finished) -> None:
    settings = finished.changed(registry={"max_model_mb": 1.0})
    plan, before = stages.plan_training(settings), champion_of(settings)
    assert plan.bundle == finished.plan.bundle

    found = stages.register(settings, plan)
    assert found.is_champion
    assert [reason.partition(":")[0] for reason in found.failed_gates] == ["size"]
    assert champion_of(settings) == before


def test_register__again_is_the_same_version(challenged: Challenged) -> None:
    rows = tracked(challenged.settings)

    assert stages.register(challenged.settings, challenged.plan) == challenged.registered
    assert not stages.plan_training(challenged.settings).is_new
    assert tracked(challenged.settings) == rows
