"""The tracker on MLflow's own stores."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mushroom_tasks.errors import TrackingError
from mushroom_tasks.settings import load_settings
from mushroom_tasks.tracking import Tracker, flatten, open_tracker


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    """A tracker on SQLite: the client's own code paths are those of any database."""
    folder = tmp_path_factory.mktemp("mlflow")
    return Tracker(f"sqlite:///{folder}/mlflow.db", folder / "artifacts")


def test_run__same_key_is_the_same_run(tracker: Tracker) -> None:
    first = tracker.run("model_train", key="model:1", name="one")
    first.log_params({"training": {"batch_size": 32}})
    first.finish("FAILED")
    again = tracker.run("model_train", key="model:1", name="one")
    again.log_params({"training": {"batch_size": 32}})
    other = tracker.run("model_train", key="model:2", name="two", parent=again)

    assert again.id == first.id
    assert other.id != first.id


def test_run__keeps_many_metrics_and_a_dataset_once(tracker: Tracker, tmp_path: Path) -> None:
    run = tracker.run("dataset_build", key="ab12", name="data set ab12")
    run.log_metrics({f"photos/{number}": number for number in range(2_000)})
    for _ in range(2):
        run.log_dataset(name="mushrooms", digest="ab12", address="/data", profile={"photos": 3}, context="published")
    (tmp_path / "card.md").write_text("card")
    run.log_artifact(tmp_path / "card.md")
    found = tracker._client.get_run(run.id)

    assert len(found.data.metrics) == 2_000
    assert [entry.dataset.digest for entry in found.inputs.dataset_inputs] == ["ab12"]
    assert [file.path for file in tracker._client.list_artifacts(run.id)] == ["card.md"]


def test_table__is_marked_once(tracker: Tracker) -> None:
    run = tracker.run("dataset_build", key="cd34", name="data set cd34")
    for _ in range(2):
        run.mark_table("report/classes.json")
        run.mark_table("report/species.json")
    marked = json.loads(tracker._client.get_run(run.id).data.tags["mlflow.loggedArtifacts"])

    assert [entry["path"] for entry in marked] == ["report/classes.json", "report/species.json"]


def test_page__is_none_where_no_server_shows_it(tracker: Tracker) -> None:
    assert tracker.run("dataset_build", key="cd34", name="data set cd34").page("report/report.html") is None


def test_register__same_key_is_the_same_version_and_the_alias_moves(tracker: Tracker, tmp_path: Path) -> None:
    run = tracker.run("model_train", key="model:3", name="three")
    (tmp_path / "labels.txt").write_text("Amanita muscaria")
    run.log_folder(tmp_path, "bundle")

    assert tracker.champion("mushrooms") is None
    first = tracker.register("mushrooms", run=run, artifact="bundle", key="bundle:1", tags={"top1": "0.8"})
    again = tracker.register("mushrooms", run=run, artifact="bundle", key="bundle:1", tags={"top1": "0.8"})
    second = tracker.register("mushrooms", run=run, artifact="bundle", key="bundle:2", tags={"top1": "0.9"})
    tracker.set_alias(first, "champion")
    tracker.set_alias(second, "champion")
    champion = tracker.champion("mushrooms")

    assert again.version == first.version
    assert champion is not None
    assert champion.version == second.version
    assert champion.tags["top1"] == "0.9"


def test_open_tracker__names_the_address_when_mlflow_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    settings = load_settings({"home": tmp_path, "mlflow_tracking_uri": "http://127.0.0.1:9"})

    with pytest.raises(TrackingError, match=r"127\.0\.0\.1.*mushroom status"):
        open_tracker(settings).run("model_train", key="k", name="n")


def test_flatten__gives_dotted_names() -> None:
    assert flatten({"a": {"b": 1, "c": {"d": [2]}}, "e": None}) == {"a.b": "1", "a.c.d": "[2]", "e": "None"}
