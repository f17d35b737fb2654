"""The stages in a row, as `mushroom run` does them: killed, run again, refused; and what must not change by it.

One home serves all tests: its first run is killed in the middle of training, the second one finishes.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from mushroom_tasks import stages
from mushroom_tasks.curation.dataset.publish import list_datasets
from mushroom_tasks.db import embedded
from mushroom_tasks.errors import LearningError, SourceUnreachable, WeightsMismatch
from mushroom_tasks.sample.bucket import write_bucket
from mushroom_tasks.settings import Settings, load_settings
from mushroom_tasks.stages.results import PlanResult, RegistrationResult
from mushroom_tasks.storage import Store

PROGRAM = "from mushroom_tasks.cli import main; main()"
HEAD_EPOCHS, LAST_EPOCHS = 3, 2
# Small enough for a test, otherwise the real job.
CHOSEN = f"""
[selection]
min_photos_per_species = 8

[training]
phases = [
    {{ name = "head", depth = 0.0, epochs = {HEAD_EPOCHS}, learning_rate = 1e-3 }},
    {{ name = "last", depth = 0.1, epochs = {LAST_EPOCHS}, learning_rate = 1e-4 }},
]

[export]
min_agreement = 0.3
representative_photos = 8
"""


@dataclass(frozen=True)
class Finished:
    """What the run left that went on after the kill."""

    settings: Settings
    bundle: Path
    plan: PlanResult

    @property
    def store(self) -> Store:
        return Store(self.settings.store)

    def changed(self, **sections: dict[str, object] | str) -> Settings:
        """The same home with other settings."""
        return load_settings({"home": self.settings.home, "source": self.settings.source, **sections})


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # Not below pytest's own folder, which each session of pytest closes to others: as root, PostgreSQL is another.
    with tempfile.TemporaryDirectory(prefix="mushroom-", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def settings(folder: Path) -> Iterator[Settings]:
    write_bucket(folder / "bucket", species=3, photos_per_species=16)
    home = folder / "home"
    home.mkdir()
    (home / "mushroom.toml").write_text(CHOSEN)
    try:
        yield load_settings({"home": home, "source": str(folder / "bucket")})
    finally:
        embedded.stop(home)


@pytest.fixture(scope="module")
def finished(settings: Settings) -> Finished:
    _kill_in_the_last_phase(settings)
    done = mushroom("run", *_where(settings))
    assert done.returncode == 0, done.stderr
    bundle = Path(done.stdout.splitlines()[-1])
    return Finished(settings, bundle, stages.plan_training(settings))


def _where(settings: Settings) -> list[str]:
    return ["--workdir", str(settings.home), "--source", settings.source]


def _command(arguments: Sequence[str], *options: str) -> list[str]:
    return [sys.executable, *options, "-W", "ignore", "-c", PROGRAM, *arguments]


def mushroom(*arguments: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own."""
    return subprocess.run(_command(arguments, *options), capture_output=True, text=True, timeout=600)


def _kill_in_the_last_phase(settings: Settings) -> None:
    log = settings.home / "killed.log"
    with log.open("w") as output:
        process = subprocess.Popen(_command(["run", *_where(settings)]), stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 600
        while _phase(settings) != "last":
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    # Neither the model nor anything after it: the kill was in time.
    assert not list(Path(settings.store, "models").rglob("*")), log.read_text()


def _phase(settings: Settings) -> str | None:
    with suppress(FileNotFoundError):
        return json.loads((settings.home / "progress" / "train.json").read_text()).get("phase")
    return None


def contents(folder: Path) -> dict[str, tuple[int, str]]:
    """Time of the last write and checksum of every file below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(p): (p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest()) for p in files}


def tracked(settings: Settings) -> dict[str, int]:
    """How many rows MLflow's tables have."""
    engine = create_engine(embedded.url(settings.home, "mlflow"))
    tables = ("runs", "metrics", "params", "tags", "inputs", "model_versions")
    with engine.connect() as connection:
        counts = {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in tables}
    engine.dispose()
    return counts


def client(settings: Settings) -> Any:
    from mlflow import MlflowClient

    address = embedded.url(settings.home, "mlflow")
    return MlflowClient(tracking_uri=address, registry_uri=address)


def runs_by_key(settings: Settings, experiment: str) -> dict[str, list[Any]]:
    """MLflow's runs of an experiment, by the key of the logical run."""
    mlflow = client(settings)
    found: dict[str, list[Any]] = {}
    for run in mlflow.search_runs([mlflow.get_experiment_by_name(experiment).experiment_id]):
        found.setdefault(run.data.tags["mushroom.key"], []).append(run)
    return found


def alias(settings: Settings, name: str) -> Any:
    return client(settings).get_model_version_by_alias(settings.registry.model_name, name)


def champion_of(settings: Settings) -> tuple[str, dict[str, str], dict[str, tuple[int, str]]]:
    """The champion's version, its tags and the files of its bundle in MLflow."""
    champion = alias(settings, "champion")
    artifacts = Path(champion.source.removeprefix("file://"))
    assert (artifacts / "bundle.json").exists()
    return str(champion.version), dict(champion.tags), contents(artifacts)


def state(settings: Settings) -> tuple[Any, ...]:
    """What a refused run must leave as it was."""
    return champion_of(settings), contents(Path(settings.store))


# --- a whole run


def test_run__prints_the_bundle_that_predict_reads(finished: Finished) -> None:
    photo = next(Path(finished.settings.store, "photos").rglob("*.jpg"))

    done = mushroom("predict", str(finished.bundle), str(photo), "--json")

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["photo"] == str(photo)
    assert len({found["scientific_name"] for found in answer["predictions"]}) == 3
    assert sum(found["probability"] for found in answer["predictions"]) == pytest.approx(1, abs=0.01)


def test_run__lists_its_data_set(finished: Finished) -> None:
    done = mushroom("datasets", "--json", "--workdir", str(finished.settings.home))

    [dataset] = json.loads(done.stdout)
    assert dataset["fingerprint"] == finished.plan.dataset
    assert dataset["counts"]["species"] == 3
    assert dataset["failures"] == {"missing": 1}
    assert sorted(path.name for path in Path(dataset["folder"]).iterdir()) == [
        "README.md",
        "attribution.csv",
        "dataset.json",
        "overview.png",
        "pruned.parquet",
        "species.json",
    ]


def test_run__again_does_nothing_and_says_the_same(finished: Finished) -> None:
    before, rows = contents(Path(finished.settings.store)), tracked(finished.settings)

    done = mushroom("run", *_where(finished.settings), options=["-X", "importtime"])

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(finished.bundle)
    assert contents(Path(finished.settings.store)) == before
    assert tracked(finished.settings) == rows
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "mushroom_tasks.stages.whole" in imported
    assert not imported & {"tensorflow", "keras", "mlflow", "sklearn", "ai_edge_litert"}


def test_run__logs_what_its_download_did(finished: Finished) -> None:
    sizes = [path.stat().st_size for path in Path(finished.settings.store, "photos").rglob("*.*")]
    [run] = _downloads(finished.settings)
    metrics = run.data.metrics

    assert {name: metrics[f"download/{name}"] for name in ("photos", "new", "reused", "bytes")} == {
        "photos": len(sizes), "new": len(sizes), "reused": 0, "bytes": sum(sizes),
    }  # fmt: skip
    seconds = metrics["download/shard_seconds"]
    assert seconds > 0
    assert metrics["download/photos_per_shard_second"] == pytest.approx(len(sizes) / seconds)
    assert metrics["download/bytes_per_shard_second"] == pytest.approx(sum(sizes) / seconds)
    assert {name: count for name, count in metrics.items() if name.startswith("failed/")} == {"failed/missing": 1}
    assert run.data.params["download.size"] == finished.settings.download.size
    assert (run.data.tags["source"], run.info.status) == (finished.settings.source, "FINISHED")


def _downloads(settings: Settings) -> list[Any]:
    runs = runs_by_key(settings, "dataset_build")
    return [run for key in runs if key.startswith("download:") for run in runs[key]]


# --- killed in the middle of training


def test_killed__leaves_one_finished_run_per_key(finished: Finished) -> None:
    plan = finished.plan
    child = f"{plan.model}/{plan.backbone}"
    training = runs_by_key(finished.settings, "model_train")

    assert set(training) == {plan.model, child, f"{child}/head", f"{child}/last"}
    for found in (training, *(runs_by_key(finished.settings, name) for name in ("inat_ingest", "dataset_build"))):
        assert [len(runs) for runs in found.values()] == [1] * len(found)
        assert {run.info.status for runs in found.values() for run in runs} == {"FINISHED"}


def test_killed__does_not_repeat_phases_that_were_finished(finished: Finished) -> None:
    plan, mlflow = finished.plan, client(finished.settings)
    training = runs_by_key(finished.settings, "model_train")
    child = f"{plan.model}/{plan.backbone}"

    def steps(key: str) -> list[int]:
        history = mlflow.get_metric_history(training[key][0].info.run_id, "train/accuracy")
        return sorted(point.step for point in history)

    assert steps(f"{child}/head") == list(range(HEAD_EPOCHS))
    assert set(steps(f"{child}/last")) == set(range(LAST_EPOCHS))
    whole = steps(child)
    assert whole[:HEAD_EPOCHS] == list(range(HEAD_EPOCHS))
    assert set(whole[HEAD_EPOCHS:]) == set(range(HEAD_EPOCHS, HEAD_EPOCHS + LAST_EPOCHS))
    history = finished.store.read_json(f"models/{plan.model}/history.json")
    assert [(phase["name"], len(phase["epochs"])) for phase in history["phases"]] == [
        ("head", HEAD_EPOCHS),
        ("last", LAST_EPOCHS),
    ]


def test_killed__the_first_champion_is_the_bundle(finished: Finished) -> None:
    champion = alias(finished.settings, "champion")

    assert str(champion.version) == "1"
    assert champion.tags["bundle"] == finished.plan.bundle == finished.bundle.name
    artifacts = Path(champion.source.removeprefix("file://"))
    assert {path.name: path.read_bytes() for path in artifacts.iterdir()} == {
        path.name: path.read_bytes() for path in finished.bundle.iterdir()
    }


# --- the same model, exported in another way, that fails a gate


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


# --- a load whose stage was killed before its end


def test_snapshot__a_load_that_was_cut_off_is_new_until_it_is_finished(finished: Finished) -> None:
    """The load is committed before it is logged and marked: what follows it must not be left out."""
    settings = finished.settings
    [marker] = Path(settings.store, "loads").glob("*/load.json")
    written, loads = marker.read_bytes(), _loads(settings)
    assert not stages.snapshot(settings).is_new
    marker.unlink()

    fetched = stages.snapshot(settings)
    assert fetched.is_new
    result = stages.ingest(settings, fetched)

    assert json.loads(written)["result"] == result.model_dump(mode="json")
    assert marker.read_bytes() == written
    assert _loads(settings) == loads
    assert not stages.snapshot(settings).is_new
    [[run]] = runs_by_key(settings, "inat_ingest").values()
    assert run.info.status == "FINISHED"


def _loads(settings: Settings) -> list[tuple[Any, ...]]:
    engine = create_engine(embedded.url(settings.home))
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(text("SELECT id, fingerprint FROM snapshots"))]
    engine.dispose()
    return rows


# --- settings that change, a source that is down, input that cannot be used


def test_download__photos_that_were_too_large_are_tried_again_with_a_higher_limit(
    finished: Finished, folder: Path
) -> None:
    sizes = sorted(path.stat().st_size for path in Path(finished.settings.store, "photos").rglob("*.*"))
    limit = sizes[len(sizes) // 2]
    store = str(folder / "other-store")
    # Any share may fail: neither is tried again because too many did.
    strict = finished.changed(store_root=store, download={"max_bytes": limit, "max_failed_ratio": 1.0})
    raised = finished.changed(store_root=store, download={"max_failed_ratio": 1.0})
    selection = stages.select(strict).fingerprint

    first = stages.download_shard(strict, selection, 0, 1)
    found = stages.collect_downloads(strict, selection, 1)
    again = stages.download_shard(strict, selection, 0, 1)
    assert found.failures == {"missing": 1, "too_large": sum(size > limit for size in sizes)}
    [run] = _downloads(strict)
    assert {reason: run.data.metrics[f"failed/{reason}"] for reason in found.failures} == found.failures
    assert (first.reused, again.reused) == (0, first.done)

    second = stages.download_shard(raised, selection, 0, 1)
    assert (second.failed, second.reused) == (1, sum(size <= limit for size in sizes))
    assert second.new == found.failures["too_large"]
    # What is the same in the end is the same data, whatever the way there.
    [dataset] = list_datasets(finished.store)
    assert stages.collect_downloads(raised, selection, 1).fingerprint == dataset.inputs["downloads"]

    # A photo that has gone from the store since, as after a rollback, is fetched again, and it alone.
    next(Path(store, "photos").rglob("*.jpg")).unlink()
    mended = stages.download_shard(raised, selection, 0, 1)
    assert (mended.new, mended.reused) == (1, second.new + second.reused - 1)
    assert stages.collect_downloads(raised, selection, 1).fingerprint == dataset.inputs["downloads"]


@pytest.mark.parametrize("source", ["http://127.0.0.1:1", "/nowhere/at/all"])
def test_run__a_source_that_is_down_leaves_everything_as_it_was(finished: Finished, source: str) -> None:
    before, rows = state(finished.settings), tracked(finished.settings)
    down = load_settings({"home": finished.settings.home, "source": source, "source_access": {"retries": 0}})

    with pytest.raises(SourceUnreachable, match=source.removeprefix("http://")):
        stages.run_all(down, lambda _stage, _result: None)
    assert (state(finished.settings), tracked(finished.settings)) == (before, rows)


def test_run__an_unknown_backbone_is_one_message(finished: Finished) -> None:
    before, rows = state(finished.settings), tracked(finished.settings)

    done = mushroom("run", *_where(finished.settings), "--set", "training.backbone=resnet")

    assert (done.returncode, done.stdout) == (1, "")
    message = "UnknownBackbone: no backbone of that name. Received: 'resnet'. Known: efficientnet_lite0, "
    assert done.stderr.splitlines()[-1].startswith(message)
    assert "Traceback" not in done.stderr
    assert (state(finished.settings), tracked(finished.settings)) == (before, rows)


def test_run__a_weights_file_that_is_not_there_is_named(finished: Finished, tmp_path: Path) -> None:
    before, rows = state(finished.settings), tracked(finished.settings)
    wrong = finished.changed(training={"weights": str(tmp_path / "mine.weights.h5")})

    with pytest.raises(LearningError, match=r"no weights file there.*mine\.weights\.h5"):
        stages.run_all(wrong, lambda _stage, _result: None)
    assert (state(finished.settings), tracked(finished.settings)) == (before, rows)


def test_train__weights_of_another_network_are_refused_and_the_run_has_failed(
    finished: Finished, tmp_path: Path
) -> None:
    import keras

    path = tmp_path / "other.weights.h5"
    inputs = keras.Input((8,))
    keras.Model(inputs, keras.layers.Dense(2)(inputs)).save_weights(path)
    before = state(finished.settings)
    wrong = finished.changed(training={"weights": str(path)})
    plan = stages.plan_training(wrong)

    with pytest.raises(WeightsMismatch, match=r"other\.weights\.h5"):
        stages.train(wrong, plan)

    assert state(finished.settings) == before
    runs = runs_by_key(wrong, "model_train")
    assert {run.info.status for key in runs if key.startswith(plan.model) for run in runs[key]} == {"FAILED"}
