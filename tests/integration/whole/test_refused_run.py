"""Settings that change, a source that is down, input that cannot be used: what there was stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from whole_run import Finished, downloads, mushroom, runs_by_key, state, tracked, where

from mushroom_tasks import stages
from mushroom_tasks.curation.dataset.publish import list_datasets
from mushroom_tasks.errors import LearningError, SourceUnreachable, WeightsMismatch
from mushroom_tasks.learning import backbones
from mushroom_tasks.settings import load_settings


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
    [run] = downloads(strict)
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

    done = mushroom("run", *where(finished.settings), "--set", "training.backbone=resnet")

    assert (done.returncode, done.stdout) == (1, "")
    known = ", ".join(backbones.names())
    message = f"UnknownBackbone: no backbone of that name. Received: 'resnet'. Known: {known}."
    assert done.stderr.splitlines()[-1] == message
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
