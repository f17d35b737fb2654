"""What a backbone is: a pretrained feature extractor with its preprocessing inside, and what is known about it.

    backbone = registry.get("efficientnet_lite0")
    features = backbone.build("imagenet")(pixels)        # float32 (N, 224, 224, 3), 0..255 -> (N, 1280)

Needs TensorFlow when `build` is called, not before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning.backbones.keras_weights import load_keras_file
from mushroom_tasks.learning.backbones.published_file import PublishedFile
from mushroom_tasks.storage import sha256_file

if TYPE_CHECKING:
    import keras

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backbone:
    """A feature extractor and what is known about it.

    Parameters
    ----------
    name, description
        For settings, model cards and logs.
    input_size, min_input_size
        Side of the square input in pixels, as the weights were trained, and the least it works with.
    features
        Length of a feature vector.
    blocks
        Number of blocks that training can unfreeze one by one; the stem and the last convolution count as one each.
    parameters
        Number of weights up to the features, statistics of BatchNorm included, without a head.
    license
        Of the published weights, as SPDX writes it. A model that starts from them is bound by it.
    imagenet_top1
        Published accuracy of the weights on ImageNet-1k at `input_size`, in percent.
    published, weights_source
        The file behind `imagenet`, and who publishes it, in a word or two.
    block_of
        Maps a layer's name to its block, 0 (stem) to `blocks - 1`; None for layers without a place, such as input.
    construct
        Builds the model without pretrained weights for an input size.
    load
        Puts a weights file in one of the backbone's own layouts into a model.
    file_suffixes
        Suffixes that `load` reads itself; files of Keras are read for every backbone alike.
    """

    name: str
    input_size: int
    features: int
    blocks: int
    parameters: int
    license: str
    description: str
    imagenet_top1: float | None
    published: PublishedFile
    weights_source: str
    block_of: Callable[[str], int | None]
    construct: Callable[[int], keras.Model]
    load: Callable[[keras.Model, Path], None]
    file_suffixes: tuple[str, ...] = ()
    min_input_size: int = 32

    @property
    def is_commercial(self) -> bool:
        """Tell whether the licence of the published weights allows commercial use."""
        return "-NC" not in self.license

    def build(self, weights: str, input_size: int | None = None, weights_folder: Path | None = None) -> keras.Model:
        """Return a model from float32 pixels 0..255 of shape (N, S, S, 3) to float32 features (N, `features`).

        Parameters
        ----------
        weights
            `imagenet`, `none` (random), or the path of a weights file: this backbone's own layout, or a
            `.weights.h5`, `.h5` or `.keras` file of Keras (of this backbone, or of a classifier made with it).
        input_size
            S; None takes the backbone's own.
        weights_folder
            Where the file of `imagenet` is looked for before it is fetched, under the name `published.name`.

        Raises
        ------
        WeightsMismatch
            The file does not fit; names the tensor, layer or checksum that is expected and the one received.
        LearningError
            The file is missing, the weights cannot be fetched, or the input is too small.
        """
        size = self.input_size if input_size is None else input_size
        if size < self.min_input_size:
            raise LearningError(f"the input of {self.name} is at least {self.min_input_size} px. Received: {size}")
        path = self._file(weights, weights_folder)  # first: a wrong name costs no building
        model = self.construct(size)
        if path is None:
            return model
        if path.suffix in self.file_suffixes:
            self.load(model, path)
        else:
            load_keras_file(model, path)
        return model

    def weights_fingerprint(self, weights: str, weights_folder: Path | None = None) -> str:
        """Return what identifies the content of `weights`: a checksum, or `none`."""
        if weights == "none":
            return "none"
        if weights == "imagenet":
            return self.published.fingerprint(weights_folder)
        return sha256_file(_existing(weights))

    def layers_from_top(self, model: keras.Model, depth: float) -> list[keras.layers.Layer]:
        """Return the layers in the top share `depth` (0..1) of the blocks, for unfreezing."""
        first = self.blocks - round(depth * self.blocks)
        return [layer for layer in model.layers if (block := self.block_of(layer.name)) is not None and block >= first]

    def _file(self, weights: str, folder: Path | None) -> Path | None:
        if weights == "none":
            return None
        if weights != "imagenet":
            return _existing(weights)
        if not self.is_commercial:
            _log.warning(
                "the ImageNet weights of %s are under %s: neither they nor a model trained from them may be used "
                "commercially",
                self.name,
                self.license,
            )
        return self.published.find(folder)


def _existing(weights: str) -> Path:
    path = Path(weights).expanduser()
    if not path.is_file():
        raise LearningError(
            f"no weights file there. Received: {weights!r}. Use `imagenet`, `none`, or the path of a file."
        )
    return path
