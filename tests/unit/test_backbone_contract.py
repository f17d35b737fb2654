"""What every backbone promises, whatever its family: its row, its blocks, its pixels, and a saved model that loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mushroom_tasks.learning import backbones
from mushroom_tasks.learning.backbones import keras_applications
from mushroom_tasks.learning.backbones.convnext_v2 import CONVNEXT_V2
from mushroom_tasks.learning.model import build_classifier, set_depth

FAMILIES = {  # the builder in keras.applications, and the range that it expects where it does no preprocessing itself
    "mobilenet_v3_small": ("MobileNetV3Small", False),
    "efficientnet_v2_b0": ("EfficientNetV2B0", False),
    "resnet50_v2": ("ResNet50V2", True),
    "xception": ("Xception", True),
    "convnext_tiny": ("ConvNeXtTiny", False),
}
# The two that are not of everyday layers alone.
SAVED = ("convnext_tiny", "convnext_v2_atto")


@pytest.fixture(scope="module", params=backbones.names())
def built(request: pytest.FixtureRequest) -> tuple[backbones.Backbone, Any]:
    """Each backbone once, at the smallest input; every test of a row shares it."""
    backbone = backbones.get(request.param)
    return backbone, build_classifier(backbone, "none", 3, dropout=0.0, input_size=backbone.min_input_size)


def test_row__tells_the_truth(built: tuple[backbones.Backbone, Any]) -> None:
    backbone, classifier = built
    model = classifier.get_layer("backbone")
    assert (model.count_params(), model.output_shape[1]) == (backbone.parameters, backbone.features)
    assert 60 < (backbone.imagenet_top1 or 0) < 90
    assert backbone.license in {"Apache-2.0", "MIT", "CC-BY-NC-4.0"}


def test_blocks__cover_every_layer_that_learns_and_reach_deeper(built: tuple[backbones.Backbone, Any]) -> None:
    backbone, classifier = built
    model = classifier.get_layer("backbone")
    weighted = {layer.name for layer in model.layers if layer.weights}
    assert {backbone.block_of(name) for name in weighted} == set(range(backbone.blocks))
    counts = [set_depth(classifier, backbone, depth) for depth in (0.0, 1 / backbone.blocks, 0.3, 0.6, 1.0)]
    assert counts == sorted(set(counts))
    assert weighted <= {layer.name for layer in backbone.layers_from_top(model, 1.0)}


def test_set_depth__never_lets_batch_norm_learn_but_layer_norm(built: tuple[backbones.Backbone, Any]) -> None:
    import keras

    backbone, classifier = built
    set_depth(classifier, backbone, 1.0)
    layers = [layer for layer in classifier.get_layer("backbone").layers if layer.weights]
    frozen = {type(layer) for layer in layers if not layer.trainable_weights}
    assert frozen <= {keras.layers.BatchNormalization, keras.layers.Normalization}
    assert not [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable]


@pytest.mark.parametrize("name", FAMILIES)
def test_build__equals_keras_on_a_file_in_the_layout_keras_publishes(name: str, tmp_path: Path) -> None:
    import h5py
    import keras
    from keras.src.legacy.saving import legacy_h5_format

    backbone, (builder, rescaled) = backbones.get(name), FAMILIES[name]
    size = max(64, backbone.min_input_size)
    published = getattr(keras.applications, builder)(
        include_top=False, weights=None, pooling="avg", input_shape=(size, size, 3)
    )
    generator = np.random.default_rng(0)
    for layer in published.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([generator.uniform(0.5, 1.5, weight.shape) for weight in layer.weights])
    with h5py.File(tmp_path / "published.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, published)

    pixels = generator.uniform(0, 255, (2, size, size, 3)).astype(np.float32)
    expected = published(pixels / 127.5 - 1 if rescaled else pixels).numpy()
    received = backbone.build(str(tmp_path / "published.h5"), size)(pixels).numpy()
    np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_efficientnet_b0__normalizes_as_keras_does_with_its_published_file(tmp_path: Path) -> None:
    # With that file Keras computes (x - mean) / sqrt(deviation), and then divides by sqrt(deviation) again.
    import h5py
    import keras
    from keras.src.legacy.saving import legacy_h5_format

    mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    published = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    next(layer for layer in published.layers if isinstance(layer, keras.layers.Normalization)).set_weights(
        [mean, deviation, np.int64(0)]
    )
    with h5py.File(tmp_path / "published.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, published)
    model = backbones.get("efficientnet_b0").build(str(tmp_path / "published.h5"), 32)
    normalized = keras.Model(model.inputs[0], model.get_layer("stem_normalization").output)
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(normalized(pixels).numpy(), (pixels / 255 - mean) / deviation, atol=1e-5)


def test_checksums__are_those_of_the_installed_keras() -> None:
    from keras.src.applications import convnext, efficientnet, efficientnet_v2, mobilenet_v3, resnet

    published = {
        "mobilenet_v3_small": mobilenet_v3.WEIGHTS_HASHES["small_224_1.0_float"][1],
        "mobilenet_v3_large": mobilenet_v3.WEIGHTS_HASHES["large_224_1.0_float"][1],
        "efficientnet_b0": efficientnet.WEIGHTS_HASHES["b0"][1],
        "efficientnet_v2_b0": efficientnet_v2.WEIGHTS_HASHES["b0"][1],
        "resnet50_v2": resnet.WEIGHTS_HASHES["resnet50v2"][1],
        "convnext_tiny": convnext.WEIGHTS_HASHES["convnext_tiny"][1],
    }
    assert {name: backbones.get(name).published.checksum for name in published} == published
    assert keras_applications.XCEPTION.published.checksum == "b0042744bf5b25fce3cb969f33bebb97"


def test_saved_model__loads_in_a_process_without_this_package(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    expected = {}
    for name in SAVED:
        model = build_classifier(backbones.get(name), "none", 3, dropout=0.1, input_size=32)
        model.save(tmp_path / f"{name}.keras")
        expected[name] = model(pixels).numpy()
    np.savez(tmp_path / "expected.npz", pixels=pixels, **expected)
    program = (
        "import sys, keras, numpy as np\n"
        "saved = np.load('expected.npz')\n"
        "for name in sys.argv[1:]:\n"
        "    model = keras.saving.load_model(f'{name}.keras', compile=False)\n"
        "    assert np.abs(model(saved['pixels']).numpy() - saved[name]).max() < 1e-6, name\n"
        "assert not [name for name in sys.modules if name.startswith('mushroom')]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *SAVED], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["efficientnet_b0", "convnext_v2_atto"])
def test_build__gives_back_weights_saved_by_keras(name: str, tmp_path: Path) -> None:
    backbone = backbones.get(name)
    first = backbone.build("none", 32)
    first.save_weights(tmp_path / "saved.weights.h5")
    first.save(tmp_path / "saved.keras")
    for file in ("saved.weights.h5", "saved.keras"):
        second = backbone.build(str(tmp_path / file), 64)
        for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_license__of_convnext_v2_forbids_commercial_use() -> None:
    assert not [backbone.name for backbone in CONVNEXT_V2 if backbone.is_commercial]
    assert backbones.get("efficientnet_lite0").is_commercial
