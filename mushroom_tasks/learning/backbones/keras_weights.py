"""Weights files of Keras: `.weights.h5`, the older `.h5`, and `.keras`, into a model that is built already.

    load_keras_file(model, Path("saved.weights.h5"))

Needs TensorFlow.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from mushroom_tasks.errors import WeightsMismatch

if TYPE_CHECKING:
    import keras

# Name of the extractor inside a classifier.
LAYER_NAME = "backbone"


def load_keras_file(model: keras.Model, path: Path) -> None:
    """Read the weights of a file of this backbone, or of a classifier made with it (`.keras`), into a model.

    Raises WeightsMismatch for another suffix, a damaged file, or one of another network.
    """
    try:
        if path.suffix == ".keras":
            _copy_weights(path, model)
        elif path.suffix == ".h5":
            _load_weights(path, model)
        else:
            raise WeightsMismatch(
                f"weights files end in .pth, .safetensors, .weights.h5, .h5 or .keras. Received: {path}"
            )
    except (ValueError, OSError, KeyError, TypeError, UserWarning) as error:
        raise WeightsMismatch(f"{path} does not fit the backbone: {error}") from error


def _load_weights(path: Path, model: keras.Model) -> None:
    with warnings.catch_warnings():
        # Keras only warns where a file lacks a part of the model, and leaves that part random.
        warnings.simplefilter("error", UserWarning)
        model.load_weights(path)


def _copy_weights(path: Path, model: keras.Model) -> None:
    import keras

    loaded = keras.saving.load_model(path, compile=False)
    names = [layer.name for layer in loaded.layers]
    source = loaded.get_layer(LAYER_NAME) if LAYER_NAME in names else loaded
    if len(source.weights) != len(model.weights):
        raise WeightsMismatch(
            f"{path} holds {len(source.weights)} weights, the backbone has {len(model.weights)}. It is of another one."
        )
    for received, wanted in zip(source.weights, model.weights, strict=True):
        if received.shape != wanted.shape or received.path.split("/")[-2:] != wanted.path.split("/")[-2:]:
            raise WeightsMismatch(
                f"{path} does not fit: expected {wanted.path} {tuple(wanted.shape)}. "
                f"Received: {received.path} {tuple(received.shape)}"
            )
        wanted.assign(received)
