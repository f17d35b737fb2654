"""Backbones of keras.applications, in one form: pixels 0..255 in, one vector of features out.

What keras.applications leaves to its caller is done here:

- ResNet50V2 and Xception expect [-1, 1]: they are rescaled inside, as MobileNetV3 rescales itself.
- EfficientNetB0's published file holds the standard deviations of ImageNet where variances belong, and Keras divides a
  second time when it loads that file by name, and only then. Here mean and variance are set to what they should be,
  with any weights, so that every file gives the same preprocessing.
- ConvNeXt's grouped convolutions, which TensorFlow runs on a CPU through XLA alone, become the depthwise ones they are.
- Layers without a name of their own (Xception's shortcuts, ConvNeXt's last norm) get one, so that a block can be told
  by its name and a saved model looks the same whatever was built before it.

Weights are fetched from where Keras fetches them, with its checksums. Needs TensorFlow.

Sources: MobileNetV3 https://arxiv.org/abs/1905.02244, EfficientNet https://arxiv.org/abs/1905.11946, EfficientNetV2
https://arxiv.org/abs/2104.00298, ResNetV2 https://arxiv.org/abs/1603.05027, Xception https://arxiv.org/abs/1610.02357,
ConvNeXt https://arxiv.org/abs/2201.03545; accuracies from https://keras.io/api/applications and Keras' docstrings.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mushroom_tasks.learning.backbones.backbone import Backbone
from mushroom_tasks.learning.backbones.keras_weights import LAYER_NAME, load_keras_file
from mushroom_tasks.learning.backbones.published_file import PublishedFile

if TYPE_CHECKING:
    import keras

_ADDRESS = "https://storage.googleapis.com/tensorflow/keras-applications"
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as shares of 255
_NAMED_BY_KERAS = re.compile(r"^(conv2d|batch_normalization|layer_normalization|normalization)(_\d+)?$")
_XCEPTION_SHORTCUTS = tuple(f"block{block}_shortcut_{kind}" for block in (2, 3, 4, 13) for kind in ("conv", "bn"))


def _construct(input_size: int, *, builder: str, names: tuple[str, ...] = (), rescale: bool = False) -> keras.Model:
    import keras

    model = _as_published(input_size, builder, rescale=rescale)
    if names:
        model = _adapted(model, names)
    _normalize_by_imagenet(model)
    return keras.Model(model.inputs[0], model.outputs[0], name=LAYER_NAME)


def _as_published(input_size: int, builder: str, *, rescale: bool) -> keras.Model:
    import keras

    shape = (input_size, input_size, 3)
    arguments: dict[str, Any] = {"include_top": False, "weights": None, "pooling": "avg", "input_shape": shape}
    if rescale:
        pixels = keras.Input(shape, name="pixels")
        arguments["input_tensor"] = keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(pixels)
    return getattr(keras.applications, builder)(**arguments)


def _adapted(model: keras.Model, names: tuple[str, ...]) -> keras.Model:
    """Return a copy with `names`, in their order, on layers with weights that Keras named, and depthwise kernels."""
    import keras

    unnamed = [layer.name for layer in model.layers if layer.weights and _NAMED_BY_KERAS.match(layer.name)]
    renamed = dict(zip(unnamed, names, strict=True))

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.layers.Conv2D) and layer.groups == layer.filters > 1:
            return keras.layers.DepthwiseConv2D(layer.kernel_size, padding=layer.padding, name=layer.name)
        config = layer.get_config()
        return type(layer).from_config({**config, "name": renamed.get(layer.name, layer.name)})

    return keras.models.clone_model(model, clone_function=copy)


def _normalize_by_imagenet(model: keras.Model) -> None:
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            layer.set_weights([np.array(_MEAN), np.square(_DEVIATION), np.zeros(layer.weights[2].shape)])
            layer.finalize_state()


def _load(model: keras.Model, path: Path, *, builder: str, rescale: bool) -> None:
    """Read a file of keras.applications, which goes by the order of layers, or one that this backbone saved."""
    if path.name.endswith(".weights.h5"):
        load_keras_file(model, path)
        return
    published = _as_published(model.input_shape[1], builder, rescale=rescale)
    load_keras_file(published, path)
    for source, target in zip(published.layers, model.layers, strict=True):
        # A grouped kernel (h, w, 1, channels) and a depthwise one (h, w, channels, 1) hold the same numbers in order.
        values = [
            value.reshape(weight.shape) for value, weight in zip(source.get_weights(), target.weights, strict=True)
        ]
        target.set_weights(values)
    _normalize_by_imagenet(model)


_TOP = 99  # a stage above all others
Place = Callable[[re.Match[str]], tuple[int, int]]


def _block_of(layer_name: str, *, pattern: str, place: Place, repeats: tuple[int, ...], first: str) -> int | None:
    """Return the block: by stage and number in it where `pattern` matches, 0 where `first` does."""
    if found := re.search(pattern, layer_name):
        stage, number = place(found)
        return 1 + sum(repeats[:stage]) + number
    return 0 if re.match(first, layer_name) else None


def _by_letter(found: re.Match[str]) -> tuple[int, int]:
    return (int(found[1]) - 1, ord(found[2]) - ord("a")) if found[1] else (_TOP, 0)


def _of_convnext(found: re.Match[str]) -> tuple[int, int]:
    """A downsampling belongs to the first block after it, the norm of the head to the last block."""
    if found[3]:
        return int(found[3]) + 1, 0
    return (int(found[1]), int(found[2])) if found[1] else (3, 2)


def _backbone(
    name: str,
    builder: str,
    file: tuple[str, str],
    layers: dict[str, Any],
    *,
    names: tuple[str, ...] = (),
    rescale: bool = False,
    **row: Any,
) -> Backbone:
    address, checksum = file
    return Backbone(
        name=name,
        published=PublishedFile(address.rpartition("/")[2], address, checksum),
        weights_source="Keras, storage.googleapis.com",
        block_of=partial(_block_of, **layers),
        construct=partial(_construct, builder=builder, names=names, rescale=rescale),
        load=partial(_load, builder=builder, rescale=rescale),
        file_suffixes=(".h5",),
        **row,
    )


def _mobilenet_layers(blocks: int) -> dict[str, Any]:
    return {
        "pattern": r"^expanded_conv(?:_(\d+))?_[a-z]|^conv_1(_bn)?$",
        "place": lambda found: (_TOP if found[0].startswith("conv_1") else 0, int(found[1] or 0)),
        "repeats": (blocks,),
        "first": "conv(_bn)?$",
    }


def _efficientnet_layers(*repeats: int) -> dict[str, Any]:
    return {
        "pattern": r"^block(\d)([a-z])_|^top_",
        "place": _by_letter,
        "repeats": repeats,
        "first": "stem_",
    }


MOBILENET_V3_LARGE = _backbone(
    "mobilenet_v3_large",
    "MobileNetV3Large",
    (
        f"{_ADDRESS}/mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
        "07fb09a5933dd0c8eaafa16978110389",
    ),
    _mobilenet_layers(15),
    input_size=224,
    features=960,
    blocks=17,
    parameters=2_996_352,
    license="Apache-2.0",
    description="MobileNetV3-Large: hard-swish, squeeze-and-excitation; made for phones' CPUs.",
    imagenet_top1=75.6,
)
MOBILENET_V3_SMALL = _backbone(
    "mobilenet_v3_small",
    "MobileNetV3Small",
    (
        f"{_ADDRESS}/mobilenet_v3/weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
        "d3e8ec802a04aa4fc771ee12a9a9b836",
    ),
    _mobilenet_layers(11),
    input_size=224,
    features=576,
    blocks=13,
    parameters=939_120,
    license="Apache-2.0",
    description="MobileNetV3-Small: the smallest and fastest here.",
    imagenet_top1=68.1,
)
EFFICIENTNET_B0 = _backbone(
    "efficientnet_b0",
    "EfficientNetB0",
    ("https://storage.googleapis.com/keras-applications/efficientnetb0_notop.h5", "50bc09e76180e00e4465e1a485ddc09d"),
    _efficientnet_layers(1, 2, 2, 3, 3, 4, 1),
    names=("stem_normalization",),
    input_size=224,
    features=1280,
    blocks=18,
    parameters=4_049_571,
    license="Apache-2.0",
    description="EfficientNet-B0: swish, squeeze-and-excitation.",
    imagenet_top1=77.1,
)
EFFICIENTNET_V2_B0 = _backbone(
    "efficientnet_v2_b0",
    "EfficientNetV2B0",
    (f"{_ADDRESS}/efficientnet_v2/efficientnetv2-b0_notop.h5", "893217f2bb855e2983157299931e43ff"),
    _efficientnet_layers(1, 2, 2, 3, 5, 8),
    input_size=224,
    features=1280,
    blocks=23,
    parameters=5_919_312,
    license="Apache-2.0",
    description="EfficientNetV2-B0: plain convolutions in the early blocks, so it trains faster than B0.",
    imagenet_top1=78.7,
)
RESNET50_V2 = _backbone(
    "resnet50_v2",
    "ResNet50V2",
    (f"{_ADDRESS}/resnet/resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5", "fac2f116257151a9d068a22e544a4917"),
    {
        "pattern": r"^conv(\d)_block(\d+)_|^post_",  # a norm alone is no block: it belongs to the last
        "place": lambda found: (int(found[1]) - 2, int(found[2]) - 1) if found[1] else (3, 2),
        "repeats": (3, 4, 6, 3),
        "first": "conv1_",
    },
    rescale=True,
    input_size=224,
    features=2048,
    blocks=17,
    parameters=23_564_800,
    license="Apache-2.0",
    description="ResNet-50 with pre-activation: the classic, for comparisons.",
    imagenet_top1=76.0,
)
XCEPTION = _backbone(
    "xception",
    "Xception",
    (
        f"{_ADDRESS}/xception/xception_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "b0042744bf5b25fce3cb969f33bebb97",
    ),
    {
        "pattern": r"^block(\d+)_",
        "place": lambda found: (0, int(found[1]) - 2),
        "repeats": (13,),
        "first": "^$",
    },
    names=_XCEPTION_SHORTCUTS,
    rescale=True,
    input_size=299,
    features=2048,
    blocks=14,
    parameters=20_861_480,
    license="MIT",
    description="Xception: depthwise separable convolutions, for servers.",
    imagenet_top1=79.0,
    min_input_size=71,
)
CONVNEXT_TINY = _backbone(
    "convnext_tiny",
    "ConvNeXtTiny",
    (
        f"{_ADDRESS}/convnext/convnext_tiny_notop.h5",
        "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
    ),
    {
        "pattern": r"_stage_(\d)_block_(\d)_|_downsampling_block_(\d)$|^head_",
        "place": _of_convnext,
        "repeats": (3, 3, 9, 3),
        "first": "convnext_tiny_stem",
    },
    names=("head_layernorm",),
    input_size=224,
    features=768,
    blocks=19,
    parameters=27_820_128,
    license="MIT",
    description="ConvNeXt-Tiny: layer norm in place of BatchNorm.",
    imagenet_top1=81.3,
)
