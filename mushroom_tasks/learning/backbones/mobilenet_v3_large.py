"""MobileNetV3-Large of keras.applications.

It rescales pixels inside the model (`include_preprocessing`): its input is 0..255 like every backbone's here, and
dividing by 255 before it is the most common bug of this kind of app. Its ImageNet weights are fetched by Keras on
first use and kept in Keras' own cache.

Source: Howard et al. 2019, "Searching for MobileNetV3", https://arxiv.org/abs/1905.02244
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning.backbones.backbone import LAYER_NAME, Backbone

if TYPE_CHECKING:
    import keras

_EXPANDED_CONVS = 15


def _construct(input_size: int, weights: str | None = None) -> keras.Model:
    import keras

    return keras.applications.MobileNetV3Large(
        input_shape=(input_size, input_size, 3),
        include_top=False,
        weights=weights,
        pooling="avg",
        include_preprocessing=True,
        name=LAYER_NAME,
    )


def _load(model: keras.Model, _path: Path | None) -> None:
    try:
        # The download's address and checksum belong to keras.applications, so it builds a second, pretrained
        # model; it raises a bare Exception when the download fails.
        pretrained = _construct(model.input_shape[1], "imagenet")
    except Exception as error:
        raise LearningError(
            f"Keras could not fetch the ImageNet weights of MobileNetV3-Large: {error}. Without a network give a "
            "weights file (weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5, a .weights.h5 or a .keras), use "
            "`none`, or take the backbone efficientnet_lite0, whose weights are installed."
        ) from error
    model.set_weights(pretrained.get_weights())


def _block_of(layer_name: str) -> int | None:
    number = re.match(r"expanded_conv(?:_(\d+))?_", layer_name)
    if number:
        return int(number.group(1) or 0) + 1
    if layer_name.startswith("conv_1"):
        return _EXPANDED_CONVS + 1
    return 0 if layer_name.startswith("conv") else None


MOBILENET_V3_LARGE = Backbone(
    name="mobilenet_v3_large",
    input_size=224,
    features=960,
    blocks=_EXPANDED_CONVS + 2,
    license="Apache-2.0",
    description="MobileNetV3-Large (keras.applications): 3.0 M parameters, hard-swish, squeeze-and-excitation.",
    imagenet_fingerprint="keras.applications/mobilenet_v3_large_224_1.0_float_no_top_v2",
    block_of=_block_of,
    construct=_construct,
    load=_load,
)
