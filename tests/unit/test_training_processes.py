"""Training in processes of its own: killed by the system in the middle of an epoch; and over several devices."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from labelled_photos import SIZE, TINY, labelled_photos

from mushroom_tasks.learning.train import TrainingResult, train
from mushroom_tasks.settings import TrainingSettings

# A backup after every step, and three steps an epoch. Without dropout, which draws for each device by itself.
SETTINGS = TINY.model_copy(update={"batch_size": 4, "backup_seconds": 0.0, "dropout": 0.0})
WITH_DROPOUT = SETTINGS.model_copy(update={"dropout": 0.5})
# Head: one backup, then two epochs of six steps (mirrored photos too) and an end. The next phase: one, an epoch of
# three steps and its end, and a step of the second epoch.
LAST_BACKUP = (1 + 2 * 7) + (1 + 4 + 1)

CHILD = """
import os, signal, sys
from pathlib import Path

import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from mushroom_tasks.learning.checkpoints import PhaseFiles
import test_training_processes as test

root = Path(sys.argv[1])
test.run(root / "two", test.SETTINGS, device_names=["CPU:0", "CPU:1"])

back_up, written = PhaseFiles.back_up, 0

def counted(files, arrays, counters):
    global written
    if written == test.LAST_BACKUP:
        print(counters["epoch"], counters["step"], flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    written += 1
    back_up(files, arrays, counters)

PhaseFiles.back_up = counted
test.run(root / "killed", test.WITH_DROPOUT)
"""


def run(folder: Path, settings: TrainingSettings, device_names: list[str] | None = None) -> TrainingResult:
    store, rows = labelled_photos(folder / "store")
    return train(
        rows,
        store,
        folder / "cache",
        folder / "out",
        settings,
        lambda *_: None,
        input_size=SIZE,
        device_names=device_names,
    )


def weights(folder: Path) -> list[np.ndarray]:
    import keras

    return keras.saving.load_model(folder / "out" / "model.keras", compile=False).get_weights()


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("child")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(root)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-3000:]
    assert done.stdout.split() == ["1", "2"], "it was killed in the second epoch, after its second step"
    return root


def test_train__killed_in_an_epoch_ends_with_the_weights_of_a_run_that_was_not(child: Path, tmp_path: Path) -> None:
    assert not (child / "killed" / "out" / "model.keras").exists()
    resumed, whole = run(child / "killed", WITH_DROPOUT), run(tmp_path, WITH_DROPOUT)
    for one, other in zip(weights(tmp_path), weights(child / "killed"), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(whole.phases, resumed.phases, strict=True):
        assert [{**epoch, "seconds": 0} for epoch in one.epochs] == [{**epoch, "seconds": 0} for epoch in other.epochs]


def test_train__over_two_devices_gives_what_one_device_gives(child: Path, tmp_path: Path) -> None:
    whole = run(tmp_path, SETTINGS)
    for one, other in zip(weights(tmp_path), weights(child / "two"), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3)
    assert whole.best_validation_accuracy > 0.3
