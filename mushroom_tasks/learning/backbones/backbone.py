"""What a backbone is: a pretrained feature extractor with its preprocessing inside.

    backbone = registry.get("efficientnet_lite0")
    features = backbone.build("imagenet")(pixels)        # float32 (N, 224, 224, 3), 0..255 -> (N, 1280)

Needs TensorFlow when `build` is called, not before.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mushroom_tasks.errors import LearningError, WeightsMismatch
from mushroom_tasks.storage import sha256_file

if TYPE_CHECKING:
    import keras

MIN_INPUT_SIZE = 32
LAYER_NAME = "backbone"


@dataclass(frozen=True)
class Backbone:
    """A feature extractor and what is known about it.

    Parameters
    ----------
    name, description, license
        For settings, model cards and logs.
    input_size
        Side of the square input in pixels, as the weights were trained.
    features
        Length of a feature vector.
    blocks
        Number of blocks that training can unfreeze one by one; the stem and the last convolution count as one each.
    imagenet_fingerprint
        Identity of the `imagenet` weights.
    block_of
        Maps a layer's name to its block, 0 (stem) to `blocks - 1`; None for layers without a place, such as input.
    construct
        Builds the model without pretrained weights for an input size.
    load
        Puts `imagenet` (path None) or a weights file in the backbone's own layout into a model.
    file_suffixes
        Suffixes that `load` reads itself; files of Keras are read for every backbone alike.
    """

    name: str
    input_size: int
    features: int
    blocks: int
    license: str
    description: str
    imagenet_fingerprint: str
    block_of: Callable[[str], int | None]
    construct: Callable[[int], keras.Model]
    load: Callable[[keras.Model, Path | None], None]
    file_suffixes: tuple[str, ...] = ()

    def build(self, weights: str, input_size: int | None = None) -> keras.Model:
        """Return a model from float32 pixels 0..255 of shape (N, S, S, 3) to float32 features (N, `features`).

        Parameters
        ----------
        weights
            `imagenet`, `none` (random), or the path of a weights file: this backbone's own layout, or a
            `.weights.h5`, `.h5` or `.keras` file of Keras (of this backbone, or of a classifier made with it).
        input_size
            S; None takes the backbone's own.

        Raises
        ------
        WeightsMismatch
            The file does not fit; names the tensor or layer and the shapes.
        LearningError
            The file is missing, the weights cannot be fetched, or the input is too small.
        """
        size = self.input_size if input_size is None else input_size
        if size < MIN_INPUT_SIZE:
            raise LearningError(f"the input of {self.name} is at least {MIN_INPUT_SIZE} px. Received: {size}")
        path = None if weights in ("imagenet", "none") else _existing(weights)
        model = self.construct(size)
        if path is None:
            if weights == "imagenet":
                self.load(model, None)
        elif path.suffix in self.file_suffixes:
            self.load(model, path)
        else:
            _load_keras_file(model, path)
        return model

    def weights_fingerprint(self, weights: str) -> str:
        """Return what identifies the content of `weights`: a sha256 for a file, a fixed mark otherwise."""
        if weights == "none":
            return "none"
        return self.imagenet_fingerprint if weights == "imagenet" else sha256_file(_existing(weights))

    def layers_from_top(self, model: keras.Model, depth: float) -> list[keras.layers.Layer]:
        """Return the layers in the top share `depth` (0..1) of the blocks, for unfreezing."""
        first = self.blocks - round(depth * self.blocks)
        return [layer for layer in model.layers if (block := self.block_of(layer.name)) is not None and block >= first]


def _existing(weights: str) -> Path:
    path = Path(weights).expanduser()
    if not path.is_file():
        raise LearningError(
            f"no weights file there. Received: {weights!r}. Use `imagenet`, `none`, or the path of a file."
        )
    return path


def _load_keras_file(model: keras.Model, path: Path) -> None:
    try:
        if path.suffix == ".keras":
            _copy_weights(path, model)
        elif path.suffix == ".h5":
            _load_weights(path, model)
        else:
            raise WeightsMismatch(f"weights files end in .pth, .weights.h5, .h5 or .keras. Received: {path}")
    except (ValueError, OSError, KeyError, UserWarning) as error:
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
