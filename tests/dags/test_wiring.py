"""wiring: what a DAG's task calls, what it retries, and what the trigger form shows."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest
from pydantic import ValidationError

from mushroom_tasks import manifests
from mushroom_tasks.errors import DatabaseError, SourceUnreachable, StorageError
from mushroom_tasks.settings import Settings, load_settings
from mushroom_tasks.stages.artifacts import registration_path
from mushroom_tasks.stages.results import PlanResult, RegistrationResult
from mushroom_tasks.storage import Store

DAGS = Path(__file__).resolve().parents[2] / "dags"
SELECTION, BUNDLE = "5" * 16, "b" * 16
PLAN = PlanResult(dataset="d" * 16, backbone="efficientnet_lite0", model="a" * 16, bundle=BUNDLE, is_new=True)
FROM_XCOM = json.loads(json.dumps(PLAN.model_dump(mode="json")))
REGISTERED = RegistrationResult(bundle=f"bundles/{BUNDLE}", version="3", is_champion=True, failed_gates=[])


@pytest.fixture(scope="module")
def wiring(airflow_environment: None) -> Iterator[ModuleType]:
    import wiring

    yield wiring
    sys.modules.pop("wiring", None)


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """The environment of a task: a home of the test's own; neither source nor PostgreSQL are there."""
    monkeypatch.setenv("MUSHROOM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MUSHROOM_SOURCE", str(tmp_path / "nowhere"))
    monkeypatch.setenv("MUSHROOM_DATABASE_URL", "postgresql+psycopg2://nobody@127.0.0.1:1/none")
    return load_settings()


@pytest.fixture
def selected(settings: Settings) -> None:
    """A selection of three photos in the store."""
    rows = {
        name: [_value(field.type, number) for number in (1, 2, 3)]
        for name, field in zip(manifests.SELECTION.names, manifests.SELECTION, strict=True)
    }
    table = pa.table(rows, schema=manifests.SELECTION)
    manifests.write_manifest(
        Store(settings.store), f"selections/{SELECTION}.parquet", table, manifests.SELECTION, SELECTION
    )


def _value(kind: pa.DataType, number: int) -> object:
    return {"string": "jpg", "bool": False}.get(str(kind), number)


@pytest.mark.usefixtures("selected")
def test_call__a_source_that_is_down_may_come_back(wiring: ModuleType) -> None:
    """Raised as it is, so that Airflow tries the task again."""
    with pytest.raises(SourceUnreachable, match="nowhere"):
        wiring.call("download_shard", {}, SELECTION, 0, 1)


def test_call__a_database_that_is_down_may_come_back(wiring: ModuleType) -> None:
    with pytest.raises(DatabaseError):
        wiring.call("select", {})


def test_call__a_store_that_cannot_be_opened_may_come_back(wiring: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSHROOM_STORE_ROOT", "nosuch://bucket")
    with pytest.raises(StorageError, match="nosuch"):
        wiring.call("collect_downloads", {}, SELECTION, 1)


@pytest.mark.parametrize(
    ("stage", "params", "inputs", "message"),
    [
        ("plan_training", {}, [""], "CurationError: there is no data set to train on"),
        ("prune", {"embedding.backbone": "resnet"}, ["0" * 16], "UnknownBackbone: .*'resnet'"),
        ("register", {}, [FROM_XCOM], rf"BundleError: there is no bundle in .*{BUNDLE}"),
    ],
    ids=["no data set", "no such backbone", "no bundle"],
)
def test_call__what_cannot_pass_fails_without_a_retry(
    wiring: ModuleType, stage: str, params: dict[str, object], inputs: list[object], message: str
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException, match=message) as caught:
        wiring.call(stage, params, *inputs)
    assert type(caught.value.__cause__).__name__ == str(caught.value).partition(":")[0]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("selection.photos_per_species", 0),
        ("selection.licenses", ["CC0", "all rights reserved"]),
        ("selection.quality_grades", []),
        ("download.size", "huge"),
        ("pruning.eps", -0.5),
        ("training.phases", [{"name": "head", "depth": 2, "epochs": 1, "learning_rate": 0.001}]),
        ("registry.max_model_mb", "much"),
        ("root_taxa", []),
        ("selection.fotos", 3),
    ],
)
def test_call__a_form_value_that_cannot_be_used_is_named(wiring: ModuleType, path: str, value: object) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    section = path.partition(".")[0] if path == "selection.licenses" else path
    with pytest.raises(AirflowFailException, match="SettingsError: settings that cannot be used") as caught:
        wiring.call("select", {path: value})
    assert section in str(caught.value)
    assert "Received: " in str(caught.value)


def test_call__turns_xcom_into_results_and_back(wiring: ModuleType, settings: Settings) -> None:
    Store(settings.store).write_json(registration_path(settings, BUNDLE), REGISTERED)

    found = wiring.call("register", {}, FROM_XCOM)

    assert found == {"bundle": f"bundles/{BUNDLE}", "version": "3", "is_champion": True, "failed_gates": []}
    assert json.loads(json.dumps(found)) == found


def test_call__form_values_lie_on_top_of_the_settings(
    wiring: ModuleType, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other gates are another registration: the one that is there is found with the form's value only."""
    chosen = load_settings({"registry": {"max_model_mb": 7.5}})
    Store(settings.store).write_json(registration_path(chosen, BUNDLE), REGISTERED)
    monkeypatch.setenv("MUSHROOM_REGISTRY__MAX_MODEL_MB", "2.5")

    assert wiring.call("register", {"registry.max_model_mb": 7.5}, FROM_XCOM)["version"] == "3"


def test_call__fields_that_are_no_settings_stay_with_the_dag(wiring: ModuleType, settings: Settings) -> None:
    Store(settings.store).write_json(registration_path(settings, BUNDLE), REGISTERED)
    assert wiring.call("register", {"dataset": "", "date": None}, FROM_XCOM)["version"] == "3"


def test_call__refuses_what_is_no_result_of_the_stage_before(wiring: ModuleType) -> None:
    with pytest.raises(ValidationError, match="bundle"):
        wiring.call("register", {}, {name: value for name, value in FROM_XCOM.items() if name != "bundle"})


def test_form__shows_the_value_in_force_and_its_limits(wiring: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSHROOM_SELECTION__PHOTOS_PER_SPECIES", "77")

    fields = wiring.form("selection.photos_per_species", "pruning.eps")

    assert list(fields) == ["selection.photos_per_species", "pruning.eps"]
    photos = fields["selection.photos_per_species"]
    assert photos.value == 77
    assert (photos.schema["type"], photos.schema["minimum"], photos.schema["maximum"]) == ("integer", 1, 100_000)
    assert (photos.schema["section"], photos.schema["title"]) == ("Selection", "Photos per species")
    assert fields["pruning.eps"].value is None
    assert fields["pruning.eps"].resolve() is None


def test_recipe_form__leaves_to_the_recipe_what_nobody_fills_in(wiring: ModuleType) -> None:
    fields = wiring.recipe_form("training.dropout", "training.phases", "training.balance")
    assert [field.resolve() for field in fields.values()] == [None, None, None]
    assert fields["training.balance"].resolve("sampling") == "sampling"
    assert fields["training.dropout"].resolve(0.5) == 0.5
    found = wiring.call(
        "preflight",
        {"training.recipe": "seed", "training.backbone": "efficientnet_lite0", **dict.fromkeys(fields)},
    )
    assert found["backbone"] == "efficientnet_lite0"


def test_form__groups_what_has_no_section_as_general(wiring: ModuleType) -> None:
    field = wiring.form("root_taxa")["root_taxa"]
    assert field.schema["section"] == "General"
    assert field.value == [47169, 48250]


def test_form__a_list_of_choices_can_be_ticked(wiring: ModuleType) -> None:
    field = wiring.form("selection.quality_grades")["selection.quality_grades"]
    assert field.schema["examples"] == ["research", "needs_id", "casual"]


def test_form__choices_limit_a_field_by_its_last_name(wiring: ModuleType) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    names = ("efficientnet_lite0", "mobilenet_v3_large")
    field = wiring.form("training.backbone", "training.seed", backbone=names)["training.backbone"]

    assert field.schema["enum"] == list(names)
    assert field.resolve("mobilenet_v3_large") == "mobilenet_v3_large"
    with pytest.raises(ParamValidationError):
        field.resolve("resnet")


def test_form__refuses_a_value_outside_its_limits(wiring: ModuleType) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    field = wiring.form("selection.test_share")["selection.test_share"]
    with pytest.raises(ParamValidationError):
        field.resolve(0.9)
