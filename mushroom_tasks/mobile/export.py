"""Keras classifier to LiteRT: `float32`, the reference, and smaller variants for the phone.

All take pixels 0..255 as RGB of shape (1, S, S, 3), their preprocessing inside, and answer with float32
probabilities of shape (1, C). So an app divides by nothing and scales nothing back:

- `float32`: float32 pixels in.
- `float16`: the same with weights of half the size, which the CPU widens when it loads them and a GPU computes with.
- `dynamic`: float32 pixels in; weights are int8 (a quarter of the size), activations are quantized as they come
  (dynamic range), so it needs no representative photos.
- `int8`: uint8 pixels in, as a camera or a bitmap holds them, with scale 1 and zero point 0. Weights are quantized per
  channel, activations per tensor; every layer runs on integer kernels up to the logits. Only the softmax over C
  numbers is float32 (see `flatbuffer`).

Needs TensorFlow and ai-edge-litert. A conversion takes 8 to 25 s for a MobileNet-size model.

    export(Path("model.keras"), photos, "int8", Path("mushroom-int8.tflite"))
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from mushroom_tasks.errors import BundleError
from mushroom_tasks.mobile.flatbuffer import INPUT_NAME, finish
from mushroom_tasks.mobile.interpreter import LiteRTClassifier
from mushroom_tasks.settings import Precision
from mushroom_tasks.storage import Store

INPUT_TYPES: dict[Precision, Literal["float32", "uint8"]] = {
    "float32": "float32",
    "float16": "float32",
    "dynamic": "float32",
    "int8": "uint8",
}


class ExportedModel(BaseModel):
    """A LiteRT file. `bytes` is its size."""

    model_config = ConfigDict(frozen=True)

    precision: Precision
    path: Path
    bytes: int
    sha256: str


def export(model_path: Path, representative: NDArray[np.uint8], precision: Precision, out: Path) -> ExportedModel:
    """Convert a saved Keras classifier to a LiteRT file; `out` appears whole or not at all.

    The same model and photos give the same bytes, on the same version of TensorFlow.

    Parameters
    ----------
    model_path
        A `.keras` file: float32 pixels 0..255 of shape (N, S, S, 3) to softmax probabilities (N, C).
    representative
        Photos of the training split, uint8 of shape (N, S, S, 3), that set the ranges of int8 activations; one or two
        hundred are enough. Not looked at for the other precisions.
    precision
        `float32`, `float16`, `dynamic` or `int8`.
    out
        The `.tflite` file; its folder is made where it is missing.

    Raises
    ------
    BundleError
        The model cannot be loaded or converted, or the photos do not fit; names the precision and the cause.
    StorageFull
        No space is left for `out`.
    """
    if precision not in get_args(Precision):
        raise BundleError(f"unknown precision. Received: {precision!r}. Known: {', '.join(get_args(Precision))}.")
    model, size = _load(model_path, precision)
    if precision == "int8":
        _check_photos(representative, size)
    try:
        data = finish(_convert(model, size, representative, precision), precision)
    except Exception as error:  # the converter raises whatever its native code meets
        raise BundleError(f"the {precision} export of {model_path} failed: {error}") from error
    _write(data, out, precision)
    return ExportedModel(precision=precision, path=out, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def _load(path: Path, precision: str) -> tuple[Any, int]:
    import keras

    try:
        model = keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BundleError(f"the {precision} export cannot load {path}: {error}") from error
    match (model.input_shape, model.output_shape):
        case ((_, int(height), int(width), 3), (_, int())) if height == width:
            return model, height
    raise BundleError(
        f"the {precision} export takes a classifier from (N, S, S, 3) to (N, C). Received: {path}, from "
        f"{model.input_shape} to {model.output_shape}"
    )


def _check_photos(photos: NDArray[np.uint8], size: int) -> None:
    if photos.dtype != np.uint8 or photos.ndim != 4 or photos.shape[1:] != (size, size, 3) or not len(photos):
        raise BundleError(
            f"the int8 export needs representative photos, uint8 of shape (N, {size}, {size}, 3). "
            f"Received: {photos.dtype} {photos.shape}"
        )


def _convert(model: Any, size: int, photos: NDArray[np.uint8], precision: str) -> bytes:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((1, size, size, 3), tf.float32, name=INPUT_NAME)])  # type: ignore[untyped-decorator]
    def classify(pixels: Any) -> Any:
        return model(pixels, training=False)

    # Without the model as second argument the converter freezes the function as it is. With it, it goes through a
    # SavedModel, and the weights of a Keras 3 model were lost on the way without a word.
    converter = tf.lite.TFLiteConverter.from_concrete_functions([classify.get_concrete_function()])
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]  # alone it means `dynamic`
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        converter.representative_dataset = lambda: _calibration(photos)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
    with warnings.catch_warnings():
        # Meant for the converter's older way of being told ranges; ours come from the representative photos.
        warnings.filterwarnings("ignore", message="Statistics for quantized inputs were expected", category=UserWarning)
        return bytes(converter.convert())


def _calibration(photos: NDArray[np.uint8]) -> Iterator[list[NDArray[np.float32]]]:
    for number, photo in enumerate(photos):
        pixels = photo[np.newaxis].astype(np.float32)
        if number == 0:
            # The input's range is what calibration saw. With black and white in it, a pixel is its own quantized value.
            pixels[0, 0, 0], pixels[0, -1, -1] = 0.0, 255.0
        yield [pixels]


def _write(data: bytes, out: Path, precision: str) -> None:
    """Write the file; it gets its name once LiteRT has loaded it."""
    temporary = out.with_name(f"{out.name}.unchecked")
    Store(out.parent).write_bytes(temporary.name, data)
    try:
        LiteRTClassifier(temporary)
        temporary.replace(out)
    except BundleError as error:
        raise BundleError(f"the {precision} export does not run in LiteRT: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
