"""Backbones on the phone: LiteRT answers as Keras does, on built-in operations alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from references.seeded_weights import tensor

from mushroom_tasks.learning import backbones
from mushroom_tasks.learning.backbones import convnext_v2
from mushroom_tasks.learning.backbones.convnext_v2 import Architecture
from mushroom_tasks.mobile.export import export
from mushroom_tasks.mobile.interpreter import LiteRTClassifier
from mushroom_tasks.settings import Precision

SIZE = 64
NARROW = Architecture((1, 1, 2, 1), (8, 12, 16, 24))


def extractor(name: str) -> Any:
    if name == "convnext_v2_narrow":
        return convnext_v2.construct(SIZE, NARROW)
    return backbones.get(name).build("none", SIZE)


def photos() -> NDArray[np.uint8]:
    generator = np.random.default_rng(1)
    coarse = generator.uniform(0, 255, (24, SIZE // 8, SIZE // 8, 3))
    return np.kron(coarse, np.ones((1, 8, 8, 1))).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "precisions"),
    [
        ("convnext_v2_narrow", ("float32", "int8")),
        ("efficientnet_lite0", ("float32", "int8")),
        ("mobilenet_v3_small", ("float32",)),  # its int8 may collapse, all the more with random weights
    ],
)
def test_export__agrees_with_keras(name: str, precisions: tuple[Precision, ...], tmp_path: Path) -> None:
    import keras

    features = extractor(name)
    for layer in features.layers:
        if layer.weights and "norm" not in layer.name and not layer.name.endswith("bn"):
            layer.set_weights([_drawn(f"{name}/{weight.path}", tuple(weight.shape)) for weight in layer.weights])
    inputs = keras.Input((SIZE, SIZE, 3))
    values = features(inputs, training=False)
    model = keras.Model(inputs, keras.layers.Softmax()(keras.layers.Dense(4, name="head")(values)))
    spread(model, features)
    model.save(tmp_path / "model.keras")
    expected = model(photos().astype(np.float32)).numpy()
    for precision in precisions:
        out = tmp_path / f"{precision}.tflite"
        export(tmp_path / "model.keras", photos(), precision, out)
        classifier = LiteRTClassifier(out)
        received = np.stack([classifier.probabilities(photo) for photo in photos()])
        worst = np.abs(received - expected).max()
        assert worst < 1e-4 if precision == "float32" else np.abs(received - expected).mean() < 0.1


def _drawn(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    if len(shape) < 4:
        return np.zeros(shape, np.float32)
    fan_in = np.prod(shape[:2] if shape[-1] == 1 else shape[:-1])  # a depthwise kernel sees one channel
    return tensor(name, shape) * np.sqrt(np.prod(shape[1:]) / fan_in).astype(np.float32)


def spread(model: Any, features: Any) -> None:
    """Give the head weights that tell these photos apart: equal answers would agree whatever the converter does."""
    vectors = features(photos().astype(np.float32)).numpy()
    centred = vectors - vectors.mean(axis=0)
    directions = np.linalg.svd(centred, full_matrices=False)[2][:4].T
    scale = 1 / (centred @ directions).std()
    model.get_layer("head").set_weights([directions * scale, -vectors.mean(axis=0) @ directions * scale])
