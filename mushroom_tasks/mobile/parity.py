"""Parity: whether the LiteRT model says what the Keras model says.

An int8 model can collapse in conversion without any error (tensorflow issues 83754 and 83798 tell of MobileNetV3), so
every variant is run over the test photos before it may go into a bundle.

    parity = compare(keras_probabilities, labels, Path("mushroom-int8.tflite"), pixels)
    require_agreement(parity, "int8", minimum=0.9)
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from mushroom_tasks.errors import BundleError
from mushroom_tasks.mobile.interpreter import LiteRTClassifier

Measure = Callable[[NDArray[np.float32], NDArray[np.integer]], float]
_TIMED = 100  # photos that are timed on two threads


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
    measures_keras, measures_litert
        What the given measures say of either, by name.
    latency_ms, latency_2_threads_ms
        Median time of one photo on one and on two CPU threads of the machine that measured; says little about a phone.
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
    measures_keras: dict[str, float] = Field(default_factory=dict)
    measures_litert: dict[str, float] = Field(default_factory=dict)
    latency_ms: float
    latency_2_threads_ms: float
    machine: str


def compare(
    keras_probabilities: NDArray[np.float32],
    labels: NDArray[np.integer],
    tflite_path: Path,
    pixels: NDArray[np.uint8],
    measures: Mapping[str, Measure] | None = None,
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
    measures
        More to be said of either model's probabilities (N, C) and the labels (N,), such as its calibration error.

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
    answers, seconds = _run(model, pixels)
    _, seconds_2_threads = _run(LiteRTClassifier(tflite_path, threads=2), pixels[:_TIMED])
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
        measures_keras={name: float(of(keras_probabilities, labels)) for name, of in (measures or {}).items()},
        measures_litert={name: float(of(answers, labels)) for name, of in (measures or {}).items()},
        latency_ms=float(np.median(seconds) * 1000),
        latency_2_threads_ms=float(np.median(seconds_2_threads) * 1000),
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


def _run(model: LiteRTClassifier, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return what a model says of each photo, (N, C), and the seconds that it took, (N,)."""
    answers, seconds = np.empty((len(pixels), model.classes), np.float32), np.empty(len(pixels))
    for row in range(len(pixels)):
        start = time.perf_counter()
        answers[row] = model.probabilities(np.asarray(pixels[row]))
        seconds[row] = time.perf_counter() - start
    return answers, seconds


def _accuracy(probabilities: NDArray[np.float32], labels: NDArray[np.integer], top: int) -> float:
    first = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    return float((first == labels[:, np.newaxis]).any(axis=1).mean())
