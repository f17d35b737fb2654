"""What a saved classifier answers: for a split of a data set, and for photos that belong to none of its classes.

    predictor = Predictor(model_path, store, cache, batch_size=32, classes=classes_of(rows))
    photo_ids, probabilities, labels = predictor.split(rows, "test")

Needs TensorFlow.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mushroom_tasks import imaging
from mushroom_tasks.errors import LearningError, PhotoError
from mushroom_tasks.learning.dataset import classes_of, select_split
from mushroom_tasks.learning.devices import prepare_devices
from mushroom_tasks.learning.model import compiled
from mushroom_tasks.learning.pixels import prepare
from mushroom_tasks.settings import TrainingSettings
from mushroom_tasks.storage import Store

logger = logging.getLogger(__name__)

Predictions = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]  # photo_ids, probabilities, labels


class Predictor:
    """A saved classifier that was read once, and answers for photos of a store.

    Parameters
    ----------
    model_path
        A `.keras` file.
    store, cache
        Where the photos lie, and a local folder for their prepared pixels.
    batch_size
        Photos that are asked at a time.
    classes
        Names of the classes that it has to tell apart. LearningError where the model has another number of outputs.
    """

    def __init__(self, model_path: Path, store: Store, cache: Path, batch_size: int, classes: Sequence[str]) -> None:
        import keras

        prepare_devices()
        model = keras.saving.load_model(model_path, compile=False)
        if model.output_shape[-1] != len(classes):
            raise LearningError(
                f"{model_path} tells {model.output_shape[-1]} classes apart, the data set has {len(classes)}. Give the "
                "data set that the model was trained on."
            )
        self._step, self._size, self._classes = compiled(model), model.input_shape[1], len(classes)
        self._store, self._cache, self._batch_size = store, cache, batch_size

    def split(self, rows: pa.Table, split: str) -> Predictions:
        """Return the answers for a whole split, in order of photo_id; photos that pruning flagged are among them."""
        chosen = select_split(rows, split, kept_only=False)
        return chosen.photo_ids, self.photos(rows, chosen.sha256.tolist()), chosen.labels

    def photos(self, rows: pa.Table, sha256: Sequence[str]) -> NDArray[np.float32]:
        """Return probabilities (N, C) of the photos with these checksums, which `rows` (path, sha256) has all."""
        if not sha256:
            return np.empty((0, self._classes), np.float32)
        prepared = prepare(rows, self._store, self._cache, self._size)
        places = prepared.indices(sha256)
        starts = range(0, len(places), self._batch_size)
        batches = (prepared.pixels[places[start : start + self._batch_size]] for start in starts)
        return np.concatenate([self._step(pixels.astype(np.float32)).numpy() for pixels in batches])


def predict_split(
    model_path: Path, rows: pa.Table, store: Store, cache: Path, settings: TrainingSettings, split: str
) -> Predictions:
    """Return (photo_ids (N,), probabilities float32 (N, C), label indices (N,)) of a whole split, in order of photo_id.

    Photos that pruning flagged are among them. Raises LearningError where the model has not as many outputs as the
    table has classes.
    """
    return Predictor(model_path, store, cache, settings.batch_size, classes_of(rows)).split(rows, split)


def strangers(store: Store, folder: str) -> pa.Table:
    """Return the photos of a folder of the store that decode: columns path, sha256, is_for_fitting.

    Half of them, by their checksum, are for fitting. Raises LearningError where no photo is there.
    """
    found = []
    for name in store.list(folder):
        path = f"{folder}/{name}"
        content = store.read_bytes(path)
        try:
            imaging.decode(content)
        except PhotoError as error:
            logger.warning("%s is left out of the photos of unknown things: %s", store.address(path), error.reason)
            continue
        sha256 = hashlib.sha256(content).hexdigest()
        found.append({"path": path, "sha256": sha256, "is_for_fitting": int(sha256[0], 16) % 2 == 0})
    if not found:
        raise LearningError(
            f"evaluation.unknown_photos names {store.address(folder)}, where no photo is. Put photos there that show "
            "none of the species, or leave the setting empty."
        )
    return pa.Table.from_pylist(found)
