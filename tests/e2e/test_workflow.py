"""The three DAGs through a live Airflow, on the sample bucket over HTTP, with a live MLflow and PostgreSQL."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from mushroom_tasks import stages
from mushroom_tasks.curation.dataset.publish import list_datasets
from mushroom_tasks.db import embedded
from mushroom_tasks.local import stack, summary
from mushroom_tasks.local.chain import DAGS, Chain
from mushroom_tasks.local.display import PlainDisplay
from mushroom_tasks.local.services import Services
from mushroom_tasks.mobile.predict import Predictor
from mushroom_tasks.sample.bucket import write_bucket
from mushroom_tasks.settings import Settings, load_settings
from mushroom_tasks.stages.whole import build_dataset
from mushroom_tasks.storage import Store

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1_200)]

# Small enough for a test, otherwise the real job.
CHOSEN = {
    "selection": {"species_count": 4, "photos_per_species": 24},
    "training": {
        "phases": [
            {"name": "head", "depth": 0.0, "epochs": 10, "learning_rate": 1e-3},
            {"name": "last", "depth": 0.2, "epochs": 1, "learning_rate": 1e-4},
        ]
    },
    "export": {"min_agreement": 0.5},  # a dozen photos: two that differ are no collapse
}


@dataclass(frozen=True)
class Workflow:
    settings: Settings
    services: Services


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # Not below pytest's own folder, which each session of pytest closes to others: as root, PostgreSQL is another.
    with tempfile.TemporaryDirectory(prefix="mushroom-", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def workflow(folder: Path) -> Iterator[Workflow]:
    """All services up, and the three DAGs run once, set off over REST."""
    settings = load_settings({"home": folder / "airflow", **CHOSEN})
    write_bucket(settings.home / "sample", species=5, photos_per_species=24)
    try:
        services = stack.up(settings, sample=True)
        with services.airflow_api() as api, PlainDisplay(Console()) as display:
            Chain(api, display, settings, services.check).run()
        yield Workflow(settings, services)
    finally:
        stack.down(settings)


def test_workflow__all_dags_succeed_and_assets_join_them(workflow: Workflow) -> None:
    with workflow.services.airflow_api() as api:
        ingest, build, train = (api.runs(dag)[0] for dag in DAGS)
        states = {task.task_id: task.state for run in (ingest, build, train) for task in api.tasks(run)}

        assert [run.state for run in (ingest, build, train)] == ["success"] * 3
        assert api.run_caused_by("dataset_build", ingest) == build
        assert api.run_caused_by("model_train", build) == train
    assert {task: state for task, state in states.items() if state != "success"} == {"approve": "skipped"}
    assert ingest.run_id.startswith("manual__")


def test_workflow__ends_in_a_bundle_that_names_photos(workflow: Workflow) -> None:
    found = summary.finished(workflow.settings)
    assert found is not None
    assert found.dataset.counts.species == 4

    photo = next((workflow.settings.home / "store" / "photos").rglob("*.jpg"))
    predictions = Predictor(found.bundle.folder).predict(photo.read_bytes()).predictions
    assert len(predictions) == 4
    assert sum(prediction.probability for prediction in predictions) == pytest.approx(1, abs=0.01)
    assert found.bundle.manifest.files["mushroom-int8.tflite"].bytes < 4_000_000


def test_workflow__logs_one_run_each_to_mlflow(workflow: Workflow) -> None:
    login = workflow.services.mlflow
    assert login is not None
    with httpx.Client(base_url=login.address, auth=(login.user, login.password), timeout=60) as client:
        experiments = client.post("/api/2.0/mlflow/experiments/search", json={"max_results": 100}).json()["experiments"]
        by_name = {item["name"]: item["experiment_id"] for item in experiments}
        runs = {
            name: client.post("/api/2.0/mlflow/runs/search", json={"experiment_ids": [by_name[name]]}).json()["runs"]
            for name in DAGS
        }
        champion = client.get(
            "/api/2.0/mlflow/registered-models/alias", params={"name": "mushroom-classifier", "alias": "champion"}
        ).json()

    names = sorted(run["info"]["run_name"] for run in runs["model_train"])
    training = summary.finished(workflow.settings)
    assert training is not None
    assert len(runs["inat_ingest"]) == 1
    built = sorted(run["info"]["run_name"].rpartition(" ")[0] for run in runs["dataset_build"])
    assert built == ["data set", "download", "selection"]
    assert {"efficientnet_lite0 head", "efficientnet_lite0 last"} < set(names)
    assert names[3].startswith("training ")
    assert len(names) == 4
    assert {run["info"]["status"] for found in runs.values() for run in found} == {"FINISHED"}
    assert champion["model_version"]["version"] == "1"
    tags = {item["key"]: item["value"] for item in champion["model_version"]["tags"]}
    assert tags["bundle"] == training.bundle.manifest.fingerprint


def test_workflow__no_address_answers_without_a_login(workflow: Workflow) -> None:
    airflow, mlflow = workflow.services.airflow, workflow.services.mlflow
    assert mlflow is not None

    assert httpx.get(f"{airflow.address}/api/v2/dags").status_code == 401
    assert httpx.post(f"{mlflow.address}/api/2.0/mlflow/experiments/search", json={}).status_code == 401


def test_workflow__a_second_run_finds_nothing_new_and_ends_at_once(workflow: Workflow) -> None:
    start = time.monotonic()
    with workflow.services.airflow_api() as api, PlainDisplay(Console()) as display:
        Chain(api, display, workflow.settings, workflow.services.check).run()
        states = {task.task_id: task.state for task in api.tasks(api.runs("inat_ingest")[0])}
        runs = [len(api.runs(dag)) for dag in DAGS]

    assert states["ingest"] == "skipped"
    assert runs == [2, 1, 1]
    assert time.monotonic() - start < 300
    assert len(list_datasets(Store(workflow.settings.store))) == 1


def test_workflow__without_airflow_the_data_set_is_the_same(workflow: Workflow, folder: Path) -> None:
    """From a folder instead of HTTP, in one process instead of shards: content alone makes the fingerprint."""
    home = folder / "alone"
    alone = load_settings({"home": home, "source": str(workflow.settings.home / "sample"), **CHOSEN})
    try:
        stages.ingest(alone, stages.snapshot(alone))
        dataset = build_dataset(alone, lambda _stage, _result: None)
    finally:
        embedded.stop(home)

    through_airflow = list_datasets(Store(workflow.settings.store))
    assert [found.fingerprint for found in through_airflow] == [dataset]
    assert _rows(home, dataset) == _rows(workflow.settings.home, dataset)


def _rows(home: Path, dataset: str) -> list[dict[str, object]]:
    import pyarrow.parquet as pq

    columns = ["photo_id", "scientific_name", "split", "is_outlier", "reason"]
    return pq.read_table(home / "store" / "datasets" / dataset / "pruned.parquet", columns=columns).to_pylist()
