"""The stages in a row, as `mushroom run` does them: killed, run again, and then nothing is left to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from whole_run import (
    HEAD_EPOCHS,
    LAST_EPOCHS,
    Finished,
    alias,
    client,
    contents,
    downloads,
    mushroom,
    runs_by_key,
    tracked,
    where,
)

from mushroom_tasks import stages
from mushroom_tasks.curation.dataset.publish import list_datasets
from mushroom_tasks.db import embedded
from mushroom_tasks.manifests import PRUNED, read_manifest
from mushroom_tasks.photos.quality import Quality, issue
from mushroom_tasks.settings import Settings


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

    done = mushroom("run", *where(finished.settings), options=["-X", "importtime"])

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(finished.bundle)
    assert contents(Path(finished.settings.store)) == before
    assert tracked(finished.settings) == rows
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "mushroom_tasks.stages.whole" in imported
    assert not imported & {"tensorflow", "keras", "mlflow", "sklearn", "ai_edge_litert"}


def test_run__logs_what_its_download_did(finished: Finished) -> None:
    sizes = [path.stat().st_size for path in Path(finished.settings.store, "photos").rglob("*.*")]
    [run] = downloads(finished.settings)
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


# --- what pruning says of a photo


def test_prune__tells_what_makes_a_photo_poor_whatever_its_reason(finished: Finished) -> None:
    [dataset] = list_datasets(finished.store)
    published = read_manifest(finished.store, dataset.file("pruned.parquet"), PRUNED)
    middle = sorted(published["sharpness"].to_pylist())[published.num_rows // 2]
    strict = finished.changed(quality={"min_sharpness": middle})

    pruned = stages.prune(strict, dataset.inputs["downloads"]).fingerprint
    rows = read_manifest(finished.store, f"pruned/{pruned}.parquet", PRUNED).to_pylist()

    assert pruned != dataset.inputs["pruned"]
    for row in rows:
        measured = Quality(*(row[name] for name in Quality._fields))
        assert row["quality_issue"] == issue(measured, row["width"], row["height"], strict.quality)
        assert (row["reason"] == "poor_quality") == (row["quality_issue"] is not None and row["reason"] != "duplicate")
    issues = [row["quality_issue"] for row in rows]
    assert 0 < issues.count("blurred") < len(issues)
    assert None in issues
