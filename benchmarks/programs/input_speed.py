"""Reads and prepares photos in one way for some seconds: a process of its own, so that its processor time is known.

`full` is our pipeline with everything on, `default` with the default settings, `plain` with decode and resize alone;
`layers` is decode and resize with Keras' layers for the augmentation of `default`, a resampling each; `keras` is
`keras.utils.image_dataset_from_directory`, which decodes and resizes alone.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

SIZE, BATCH = 224, 32
PLAIN = {"crop_area": 1.0, "flip": False, "rotation": 0.0, "contrast": 0.0, "brightness": 0.0}
FULL = {"randaugment_number": 2, "mixup_alpha": 0.2, "cutmix_alpha": 1.0}


def ours(folder: Path, values: dict[str, Any]) -> Iterator[Any]:
    """Yield the batches of our pipeline, epoch after epoch."""
    from mushroom_tasks.learning.dataset import Split
    from mushroom_tasks.learning.records import write_records
    from mushroom_tasks.learning.training_batches import training_batches
    from mushroom_tasks.settings import TrainingSettings
    from mushroom_tasks.storage import Store, sha256_file

    files = sorted((folder / "photos").rglob("*.jpg"))
    sha256 = [sha256_file(file) for file in files]
    paths = [str(file.relative_to(folder)) for file in files]
    records = write_records(pa.table({"sha256": sha256, "path": paths}), Store(folder), folder / "cache")
    names = sorted({file.parent.name for file in files})
    labels = np.array([names.index(file.parent.name) for file in files])
    split = Split(np.arange(len(files)), np.array(sha256), labels, np.zeros(len(files), bool))
    batches = training_batches(records, split, len(names), TrainingSettings(batch_size=BATCH, **values), 1, SIZE)
    for epoch in count():
        yield from batches.for_epoch(epoch)


def keras_directory(folder: Path) -> Iterator[Any]:
    """Yield the batches of Keras' own reader."""
    import keras

    data = keras.utils.image_dataset_from_directory(
        folder / "photos",
        label_mode="categorical",
        batch_size=BATCH,
        image_size=(SIZE, SIZE),
        seed=1,
        crop_to_aspect_ratio=True,
        verbose=False,
    )
    yield from data.prefetch(-1).repeat()


def keras_layers(folder: Path) -> Iterator[Any]:
    """Yield our plain batches after Keras' layers, which do what the default settings do."""
    import keras
    import tensorflow as tf

    layers = [
        keras.layers.RandomFlip("horizontal", seed=1),
        keras.layers.RandomRotation(0.08, fill_mode="reflect", seed=2),
        keras.layers.RandomTranslation(0.1, 0.1, fill_mode="reflect", seed=3),
        keras.layers.RandomZoom((-0.4, 0.2), fill_mode="reflect", seed=4),
        keras.layers.RandomContrast(0.2, value_range=(0, 255), seed=5),
        keras.layers.RandomBrightness(0.15, value_range=(0, 255), seed=6),
    ]

    @tf.function
    def augment(pixels: Any) -> Any:
        for layer in layers:
            pixels = layer(pixels, training=True)
        return pixels

    for pixels, labels in ours(folder, PLAIN):
        yield augment(pixels), labels


WAYS: dict[str, Callable[[Path], Iterator[Any]]] = {
    "full": lambda folder: ours(folder, FULL),
    "default": lambda folder: ours(folder, {}),
    "plain": lambda folder: ours(folder, PLAIN),
    "layers": keras_layers,
    "keras": keras_directory,
}


def main() -> None:
    """Warm up, then count photos, wall and processor time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("seconds", type=float)
    given = parser.parse_args()
    batches = WAYS[given.way](given.folder)
    for _ in range(10):
        next(batches)
    photos, start, used = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < given.seconds:
        photos += len(next(batches)[1])
    seconds, cpu = time.perf_counter() - start, time.process_time() - used
    print(json.dumps({"per_second": photos / seconds, "per_core": photos / cpu}), flush=True)


if __name__ == "__main__":
    main()
