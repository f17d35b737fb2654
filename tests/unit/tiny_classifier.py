"""A tiny classifier of colours, built as training builds one, with photos it can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SIZE = 32
COLOURS = {
    "Alba alba": (235, 235, 235),
    "Caerulea sp.": (40, 60, 220),
    "Flava flava": (230, 210, 40),
    "Nigra nigra": (25, 25, 25),
    "Rubra rubra": (215, 40, 40),
    "Viridis viridis": (40, 190, 60),
}


class TinyClassifier(NamedTuple):
    """A saved Keras model, photos it can tell apart, and what it says of them."""

    path: Path
    photos: NDArray[np.uint8]  # (N, 32, 32, 3)
    labels: NDArray[np.int64]  # (N,)
    probabilities: NDArray[np.float32]  # (N, 6)


def colour_photos(per_class: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Photos of one colour each, with noise and changing light."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(COLOURS)), per_class)
    colours = np.array(list(COLOURS.values()), dtype=float)[labels]
    light = random.uniform(0.75, 1.1, (len(labels), 1, 1, 1))
    noise = random.normal(0, 25, (len(labels), SIZE, SIZE, 3))
    return np.clip(colours[:, None, None] * light + noise, 0, 255).astype(np.uint8), labels


def build_tiny(seed: int = 3):
    """A classifier as training makes it: a backbone with its preprocessing, nested in a model with a softmax head."""
    import keras

    keras.utils.set_random_seed(seed)
    pixels = keras.Input((SIZE, SIZE, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 128, offset=-127 / 128)(pixels)
    for filters in (16, 24):
        x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.ReLU(max_value=6.0)(x)
        x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.ReLU(max_value=6.0)(x)
    backbone = keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(x), name="backbone")
    inputs = keras.Input((SIZE, SIZE, 3), name="pixels")
    dropped = keras.layers.Dropout(0.2)(backbone(inputs, training=False))
    outputs = keras.layers.Dense(len(COLOURS), activation="softmax", name="head")(dropped)
    return keras.Model(inputs, outputs, name="classifier")


def fit_head(model, photos: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
    """Set the head to "the nearest mean of a class", which needs no training."""
    features = np.asarray(model.get_layer("backbone")(photos.astype(np.float32), training=False))
    means = np.stack([features[labels == label].mean(axis=0) for label in range(len(COLOURS))])
    sharpness = 4 / np.var(means, axis=0).sum()
    model.get_layer("head").set_weights([2 * sharpness * means.T, -sharpness * (means**2).sum(axis=1)])


def species_records(names: Sequence[str] = tuple(COLOURS)) -> list[dict]:
    """Species of one kingdom, as the database gives them."""
    kingdom = {"taxon_id": 47170, "rank": "kingdom", "name": "Fungi"}
    return [
        {
            "taxon_id": 1000 + number,
            "scientific_name": name,
            "rank": "species",
            "taxonomy": [kingdom, {"taxon_id": 1000 + number, "rank": "species", "name": name}],
        }
        for number, name in enumerate(names)
    ]
