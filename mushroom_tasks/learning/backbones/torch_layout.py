"""Tensors of PyTorch into the layers of a Keras model: one check and one order of axes for every backbone.

    put(model, path, tensors, [("stem_conv", ("stem.0.weight", "stem.0.bias"))], "ConvNeXtV2 atto")

PyTorch keeps kernels as (out, in, height, width), Keras as (height, width, in, out); a pointwise convolution may be a
matrix (out, in) there, and a scale and offset of each channel, which is a depthwise kernel of 1 x 1 here, a vector.

Needs TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.errors import WeightsMismatch

if TYPE_CHECKING:
    import keras

Layout = Iterable[tuple[str, Sequence[str]]]


def put(model: keras.Model, path: Path, tensors: Mapping[str, NDArray[Any]], layout: Layout, network: str) -> None:
    """Set the weights of each layer of `layout` (layer name, names of its tensors in the order of Keras).

    Raises WeightsMismatch, naming the tensor, where one is missing, too many, or of another shape.
    """
    unused = set(tensors)
    for layer_name, names in layout:
        layer = model.get_layer(layer_name)
        layer.set_weights(
            [
                _fitting(path, tensors, name, layer, tuple(weight.shape), network)
                for name, weight in zip(names, layer.weights, strict=True)
            ]
        )
        unused.difference_update(names)
    if unused:
        name = min(unused)
        raise WeightsMismatch(
            f"{path} holds {len(unused)} tensors that {network} lacks. Received first: {name} {tensors[name].shape}"
        )


def _fitting(
    path: Path,
    tensors: Mapping[str, NDArray[Any]],
    name: str,
    layer: keras.layers.Layer,
    shape: tuple[int, ...],
    network: str,
) -> NDArray[Any]:
    if name not in tensors:
        raise WeightsMismatch(f"{path} lacks the tensor {name} of {network}. It has: {sorted(tensors)[:5]} ...")
    value = _in_keras_order(tensors[name], layer, len(shape))
    if value.shape != shape:
        raise WeightsMismatch(
            f"{path} does not fit {network}: tensor {name}, expected {shape} in Keras' order. Received: {value.shape}"
        )
    return np.asarray(value, np.float32)


def _in_keras_order(value: NDArray[Any], layer: keras.layers.Layer, dimensions: int) -> NDArray[Any]:
    import keras

    if value.ndim == 4:
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        return value.transpose(2, 3, 0, 1) if depthwise else value.transpose(2, 3, 1, 0)
    if dimensions == 4 and value.ndim == 2:
        return value.T[np.newaxis, np.newaxis]
    if dimensions == 4 and value.ndim == 1:
        return value[np.newaxis, np.newaxis, :, np.newaxis]
    return value
