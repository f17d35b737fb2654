"""Parity: whether the LiteRT model says what the Keras model says.

An int8 model can collapse in conversion without any error (tensorflow issues 83754 and 83798 tell of MobileNetV3), so
every variant is run over the test photos before it may go into a bundle.

    parity = compare(keras_probabilities, labels, Path("mushroom-int8.tflite"), pixels)
    require_agreement(parity, "int8", minimum=0.9)
"""

from __future__ import annotations

import platform
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from mushroom_tasks.errors import BundleError
from mushroom_tasks.mobile.interpreter import LiteRTClassifier


class Parity(BaseModel):
    """A LiteRT model beside its Keras model, on the same photos. Shares are 0..1.

    Attributes
    ----------
    photos
        Number of photos compared.
    agreement
        Share of photos with the same first class.
    max_abs_diff, mean_abs_diff
        Of the probabilities, over all photos and classes.
    accuracy_keras, accuracy_litert, top5_keras, top5_litert
        Share of photos whose true class comes first, and among the first five.
    latency_ms
        Median time of one photo on one CPU thread of the machine that measured; says little about a phone.
    machine
        Its processor architecture.
    """

    model_config = ConfigDict(frozen=True)

    photos: int
    agreement: float
    max_abs_diff: float
    mean_abs_diff: float
    accuracy_keras: float
    accuracy_litert: float
    top5_keras: float
    top5_litert: float
    latency_ms: float
    machine: str


def compare(
    keras_probabilities: NDArray[np.float32],
    labels: NDArray[np.integer],
    tflite_path: Path,
    pixels: NDArray[np.uint8],
) -> Parity:
    """Run a LiteRT model over photos, one by one on one thread, and compare it with Keras.

    Parameters
    ----------
    keras_probabilities
        Shape (N, C), of the Keras model for the same photos.
    labels
        Index of the true class, shape (N,).
    tflite_path
        A model as `export` makes it.
    pixels
        uint8 of shape (N, S, S, 3); may be a memory map, as photos are read one at a time.

    Raises
    ------
    BundleError
        The arrays do not fit each other or the model, or there are no photos.
    """
    model = LiteRTClassifier(tflite_path)
    count = len(pixels)
    if count == 0 or keras_probabilities.shape != (count, model.classes) or labels.shape != (count,):
        raise BundleError(
            f"the parity of {tflite_path.name} needs N > 0 photos, labels (N,) and Keras' probabilities "
            f"(N, {model.classes}). Received: {count} photos, labels {labels.shape}, probabilities "
            f"{keras_probabilities.shape}"
        )
    answers, seconds = np.empty_like(keras_probabilities, dtype=np.float32), np.empty(count)
    for row in range(count):
        start = time.perf_counter()
        answers[row] = model.probabilities(np.asarray(pixels[row]))
        seconds[row] = time.perf_counter() - start
    difference = np.abs(answers - keras_probabilities)
    return Parity(
        photos=count,
        agreement=float((answers.argmax(axis=1) == keras_probabilities.argmax(axis=1)).mean()),
        max_abs_diff=float(difference.max()),
        mean_abs_diff=float(difference.mean()),
        accuracy_keras=_accuracy(keras_probabilities, labels, 1),
        accuracy_litert=_accuracy(answers, labels, 1),
        top5_keras=_accuracy(keras_probabilities, labels, 5),
        top5_litert=_accuracy(answers, labels, 5),
        latency_ms=float(np.median(seconds) * 1000),
        machine=platform.machine(),
    )


def require_agreement(parity: Parity, precision: str, minimum: float) -> None:
    """Raise BundleError where the variant agrees with Keras on less than the share `minimum` of the photos."""
    if parity.agreement < minimum:
        raise BundleError(
            f"the {precision} model agrees with Keras on {parity.agreement:.1%} of {parity.photos} photos, less than "
            f"{minimum:.1%} (export.min_agreement). Its top-1 accuracy is {parity.accuracy_litert:.1%}, Keras has "
            f"{parity.accuracy_keras:.1%}. Give more representative photos, or leave this precision out."
        )


def _accuracy(probabilities: NDArray[np.float32], labels: NDArray[np.integer], top: int) -> float:
    first = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    return float((first == labels[:, np.newaxis]).any(axis=1).mean())
