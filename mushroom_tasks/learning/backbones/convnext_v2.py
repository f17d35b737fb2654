"""ConvNeXt V2, atto to tiny: our own definition in Keras 3, equal to timm's on the same weights.

It is made of plain Keras layers and operations, so a saved model loads without this package, and LiteRT converts it to
built-in operations. Global response normalization, which sets it apart from ConvNeXt, weighs each channel by its share
of the image's energy:

    g = length of a channel over height and width        x + scale * x * g / (mean of g over channels + eps) + offset

The scale and offset of each channel are a depthwise convolution of 1 x 1. The length is computed from the mean of the
squares, not from their sum: the share is the same, and neither float16 nor int8 overflows.

The published weights, of the variants pretrained by masked autoencoding and fine-tuned on ImageNet-1k, are read from
timm's safetensors files. They are under CC-BY-NC 4.0: no commercial use.

Source: Woo et al. 2023, "ConvNeXt V2", https://arxiv.org/abs/2301.00808; weights https://huggingface.co/timm
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from mushroom_tasks.errors import WeightsMismatch
from mushroom_tasks.learning.backbones.backbone import Backbone
from mushroom_tasks.learning.backbones.keras_weights import LAYER_NAME
from mushroom_tasks.learning.backbones.published_file import PublishedFile
from mushroom_tasks.learning.backbones.torch_layout import put

if TYPE_CHECKING:
    import keras

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as shares of 255
_EPSILON = 1e-6
# Added to the mean square: the root of a channel that is zero everywhere has an infinite slope otherwise, and its
# gradient is no number. A thousandth of _EPSILON in the root, so results do not change.
_TINY = 1e-18
_IGNORED = "head.fc."  # the ImageNet classifier


@dataclass(frozen=True)
class Architecture:
    """Blocks in each of the four stages, and their channels."""

    depths: tuple[int, int, int, int]
    channels: tuple[int, int, int, int]


def construct(input_size: int, architecture: Architecture) -> keras.Model:
    """Return the extractor with random weights: float32 pixels 0..255 (N, S, S, 3) to features (N, channels[3])."""
    import keras

    inputs = keras.Input((input_size, input_size, 3), name="pixels")
    scale = [1 / (255 * deviation) for deviation in _DEVIATION]
    offset = [-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)]
    x = keras.layers.Rescaling(scale, offset=offset, name="rescale")(inputs)
    x = _normalize(_convolve(x, "stem", architecture.channels[0], size=4), "stem")
    for stage, (depth, channels) in enumerate(zip(architecture.depths, architecture.channels, strict=True)):
        if stage:
            x = _convolve(_normalize(x, f"stage{stage}_downsample"), f"stage{stage}_downsample", channels, size=2)
        for block in range(depth):
            x = _block(x, f"stage{stage}_block{block}")
    x = _normalize(keras.layers.GlobalAveragePooling2D(name="pool")(x), "head")
    return keras.Model(inputs, x, name=LAYER_NAME)


def _block(x: Any, name: str) -> Any:
    import keras

    channels = x.shape[-1]
    y = keras.layers.DepthwiseConv2D(
        7, padding="same", depthwise_initializer=_initializer(), name=f"{name}_depthwise_conv"
    )(x)
    y = _normalize(y, name)
    y = _convolve(y, f"{name}_expand", 4 * channels)
    y = keras.layers.Activation("gelu", name=f"{name}_gelu")(y)
    y = _normalize_response(y, f"{name}_response")
    y = _convolve(y, f"{name}_project", channels)
    return keras.layers.Add(name=f"{name}_add")([x, y])


def _normalize_response(x: Any, name: str) -> Any:
    import keras

    # float32 whatever the precision policy: squares overflow float16 above 255.
    square = keras.layers.Multiply(name=f"{name}_square", dtype="float32")([x, x])
    power = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_power", dtype="float32")(square)
    length = keras.ops.sqrt(power + _TINY)
    epsilon = _EPSILON / math.sqrt(x.shape[1] * x.shape[2])  # of a mean's root, where the paper's is of a sum's
    share = length / (keras.ops.mean(length, axis=-1, keepdims=True) + epsilon)
    y = keras.layers.Multiply(name=f"{name}_weighed")([x, share])
    y = keras.layers.DepthwiseConv2D(1, depthwise_initializer="zeros", name=f"{name}_scale")(y)
    return keras.layers.Add(name=f"{name}_add")([x, y])


def _convolve(x: Any, name: str, channels: int, *, size: int = 1) -> Any:
    import keras

    return keras.layers.Conv2D(channels, size, strides=size, kernel_initializer=_initializer(), name=f"{name}_conv")(x)


def _normalize(x: Any, name: str) -> Any:
    import keras

    return keras.layers.LayerNormalization(epsilon=_EPSILON, name=f"{name}_norm")(x)


def _initializer() -> Any:
    import keras

    return keras.initializers.TruncatedNormal(stddev=0.02)


def _block_of(layer_name: str, architecture: Architecture) -> int | None:
    if layer_name.startswith("stem_"):
        return 0
    if layer_name.startswith("head_"):
        return sum(architecture.depths)  # a norm alone is no block
    found = re.match(r"stage(\d)_(?:downsample|block(\d+))_", layer_name)
    return 1 + sum(architecture.depths[: int(found[1])]) + int(found[2] or 0) if found else None


def load(model: keras.Model, path: Path, architecture: Architecture) -> None:
    """Put a safetensors file as timm writes it (with its ImageNet head or without) into a model.

    Raises WeightsMismatch where it is damaged or of another network.
    """
    tensors = {name: value for name, value in _read(path).items() if not name.startswith(_IGNORED)}
    put(model, path, tensors, _layout(architecture), "this ConvNeXt V2")


def _read(path: Path) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, KeyError) as error:
        raise WeightsMismatch(
            f"{path} is no whole safetensors file: {error}. Delete it, and fetch or copy it again."
        ) from error


def _layout(architecture: Architecture) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each Keras layer that has weights, with the names of its tensors in timm's checkpoint."""
    yield "stem_conv", _pair("stem.0")
    yield "stem_norm", _pair("stem.1")
    for stage, depth in enumerate(architecture.depths):
        if stage:
            yield f"stage{stage}_downsample_norm", _pair(f"stages.{stage}.downsample.0")
            yield f"stage{stage}_downsample_conv", _pair(f"stages.{stage}.downsample.1")
        for number in range(depth):
            name, torch = f"stage{stage}_block{number}", f"stages.{stage}.blocks.{number}"
            yield f"{name}_depthwise_conv", _pair(f"{torch}.conv_dw")
            yield f"{name}_norm", _pair(f"{torch}.norm")
            yield f"{name}_expand_conv", _pair(f"{torch}.mlp.fc1")
            yield f"{name}_response_scale", _pair(f"{torch}.mlp.grn")
            yield f"{name}_project_conv", _pair(f"{torch}.mlp.fc2")
    yield "head_norm", _pair("head.norm")


def _pair(name: str) -> tuple[str, str]:
    return f"{name}.weight", f"{name}.bias"


def _backbone(
    size: str, architecture: Architecture, parameters: int, top1: float, sha256: str | None, revision: str = "main"
) -> Backbone:
    variant = f"convnextv2_{size}.fcmae_ft_in1k"
    return Backbone(
        name=f"convnext_v2_{size}",
        input_size=224,
        features=architecture.channels[-1],
        blocks=sum(architecture.depths) + 1,
        parameters=parameters,
        license="CC-BY-NC-4.0",
        description=f"ConvNeXt V2 {size}: layer norm, global response normalization; no commercial use of its weights.",
        imagenet_top1=top1,
        published=PublishedFile(
            f"{variant}.safetensors",
            f"https://huggingface.co/timm/{variant}/resolve/{revision}/model.safetensors",
            sha256,
        ),
        weights_source="timm, huggingface.co",
        block_of=partial(_block_of, architecture=architecture),
        construct=partial(construct, architecture=architecture),
        load=partial(load, architecture=architecture),
        file_suffixes=(".safetensors",),
    )


# Checksums as the publisher's pages show them; those of atto and femto could not be read from there.
CONVNEXT_V2 = (
    _backbone(
        "atto",
        Architecture((2, 2, 6, 2), (40, 80, 160, 320)),
        3_387_400,
        76.7,
        None,
        "fbabaa582e91bf1f21bce94262cd1eb3442f8b70",
    ),
    _backbone("femto", Architecture((2, 2, 6, 2), (48, 96, 192, 384)), 4_848_240, 78.5, None),
    _backbone(
        "pico",
        Architecture((2, 2, 6, 2), (64, 128, 256, 512)),
        8_553_280,
        80.3,
        "e5f062aebf03a5f373d41ff14e0d08e8866fd9ed150f57031228176d0c3a20dc",
    ),
    _backbone(
        "nano",
        Architecture((2, 2, 8, 2), (80, 160, 320, 640)),
        14_982_800,
        81.9,
        "c9b5106b30a4593916f1ad5a3fa4f659d48e8ce0107bb9901c457a3686d27a44",
    ),
    _backbone(
        "tiny",
        Architecture((3, 3, 9, 3), (96, 192, 384, 768)),
        27_866_496,
        83.0,
        "fdfb4edfa5abb3b4ea29ab17e6fae5c117dc6cc32ecfb1d0726a156f40a4c1a5",
    ),
)
