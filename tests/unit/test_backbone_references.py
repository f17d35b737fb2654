"""Networks of our own against timm, on the same seeded weights: references/make_timm_references.py made the numbers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_torch import FakeTorch
from references.seeded_weights import image, tensor
from safetensors.numpy import save_file

from mushroom_tasks.errors import LearningError, WeightsMismatch
from mushroom_tasks.learning import backbones
from mushroom_tasks.learning.backbones import convnext_v2, efficientnet_lite0
from mushroom_tasks.learning.backbones.convnext_v2 import CONVNEXT_V2, Architecture

REFERENCES = json.loads((Path(__file__).parents[1] / "references" / "timm.json").read_text(encoding="utf-8"))
NARROW = Architecture((1, 1, 2, 1), (8, 12, 16, 24))


def published_shapes(model: Any, layout: Any, *, linear: bool = False) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors as PyTorch keeps them; timm's tiny has matrices for the pointwise convolutions."""
    shapes = {}
    for layer_name, names in layout:
        for name, weight in zip(names, model.get_layer(layer_name).weights, strict=True):
            shape = tuple(weight.shape)
            if len(shape) == 4:
                shape = _in_torch_order(name, shape)
            shapes[name] = shape[:2] if linear and ".fc" in name else shape
    return shapes


def _in_torch_order(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    height, width, inputs, outputs = shape
    if "conv_dw" in name or "depthwise" in name:
        return (inputs, outputs, height, width)
    if ".grn." in name:
        return (inputs,)
    return (outputs, inputs, height, width)


def narrow_file(path: Path, **changes: Any) -> Path:
    model = convnext_v2.construct(32, NARROW)
    shapes = published_shapes(model, convnext_v2._layout(NARROW), linear=True)
    save_file({**{name: tensor(name, shape) for name, shape in shapes.items()}, **changes}, path)
    return path


def test_convnext_v2__equals_timm(tmp_path: Path) -> None:
    backbone, size = backbones.get("convnext_v2_atto"), REFERENCES["size"]
    layout = list(convnext_v2._layout(backbone.construct.keywords["architecture"]))  # type: ignore[attr-defined]
    shapes = published_shapes(backbone.build("none", 32), layout)
    save_file({name: tensor(name, shape) for name, shape in shapes.items()}, tmp_path / "atto.safetensors")
    features = backbone.build(str(tmp_path / "atto.safetensors"), size)(image(size)).numpy()[0]
    np.testing.assert_allclose(features, REFERENCES["features"]["convnext_v2_atto"], atol=2e-5)


def test_efficientnet_lite0__equals_timm(tmp_path: Path) -> None:
    backbone, size = backbones.get("efficientnet_lite0"), REFERENCES["size"]
    shapes = published_shapes(backbone.build("none", 32), efficientnet_lite0._layout())
    state = {name: FakeTorch.tensor(name, tensor(name, shape)) for name, shape in shapes.items()}
    FakeTorch.save(state, tmp_path / "lite0.pth")
    features = backbone.build(str(tmp_path / "lite0.pth"), size)(image(size)).numpy()[0]
    np.testing.assert_allclose(features, REFERENCES["features"]["efficientnet_lite0"], atol=2e-5)


@pytest.mark.parametrize("backbone", CONVNEXT_V2, ids=lambda backbone: backbone.name)
def test_convnext_v2__reads_the_very_tensors_of_timm(backbone: backbones.Backbone) -> None:
    architecture = backbone.construct.keywords["architecture"]  # type: ignore[attr-defined]
    linear = backbone.name == "convnext_v2_tiny"
    shapes = published_shapes(backbone.build("none", 32), convnext_v2._layout(architecture), linear=linear)
    lines = sorted(f"{name} {shape}" for name, shape in shapes.items())
    expected = REFERENCES["layouts"][backbone.name]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == expected["sha256"]
    assert backbone.parameters == expected["parameters"]


def test_convnext_v2__leaves_out_the_imagenet_classifier(tmp_path: Path) -> None:
    head = {"head.fc.weight": np.zeros((1000, 24), np.float32), "head.fc.bias": np.zeros(1000, np.float32)}
    model = convnext_v2.construct(32, NARROW)
    convnext_v2.load(model, narrow_file(tmp_path / "narrow.safetensors", **head), NARROW)
    np.testing.assert_array_equal(model.get_layer("head_norm").get_weights()[1], tensor("head.norm.bias", (24,)))


def test_convnext_v2__names_what_does_not_fit(tmp_path: Path) -> None:
    model = convnext_v2.construct(32, NARROW)
    other = narrow_file(tmp_path / "other.safetensors", **{"stem.0.bias": np.zeros(9, np.float32)})
    with pytest.raises(WeightsMismatch, match=r"stem\.0\.bias, expected \(8,\).*Received: \(9,\)"):
        convnext_v2.load(model, other, NARROW)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(other.read_bytes()[:-5])
    with pytest.raises(WeightsMismatch, match=r"broken\.safetensors is no whole safetensors file"):
        convnext_v2.load(model, broken, NARROW)


def test_convnext_v2__learns_from_a_channel_that_is_zero_everywhere() -> None:
    # The root in the response norm has an infinite slope at 0: without care the gradient is no number.
    import keras
    import tensorflow as tf

    model = convnext_v2.construct(32, NARROW)
    expand = model.get_layer("stage0_block0_expand_conv")
    expand.set_weights([np.zeros(weight.shape) for weight in expand.weights])
    model.get_layer("stage0_block0_response_scale").set_weights([np.ones((1, 1, 32, 1)), np.zeros(32)])
    with tf.GradientTape() as tape:
        loss = keras.ops.sum(model(image(32)) ** 2)
    gradients = tape.gradient(loss, model.trainable_variables)
    assert all(bool(np.isfinite(gradient.numpy()).all()) for gradient in gradients)


def test_imagenet__is_found_in_the_weights_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    backbone = backbones.get("efficientnet_lite0")
    (tmp_path / backbone.published.name).write_bytes(b"another file")
    with pytest.raises(WeightsMismatch, match=r"expected sha256 5793.*Received: [0-9a-f]{64}"):
        backbone.build("imagenet", 32, tmp_path)
    assert backbone.weights_fingerprint("imagenet", tmp_path) == backbone.published.checksum

    small = backbones.get("mobilenet_v3_small")
    (tmp_path / small.published.name).write_bytes(b"another file")
    with pytest.raises(WeightsMismatch, match=r"expected md5 d3e8ec802a04aa4fc771ee12a9a9b836. Received: [0-9a-f]{32}"):
        small.build("imagenet", 32, tmp_path)
    assert not caplog.records


def test_imagenet__of_convnext_v2_warns_of_its_licence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    backbone = backbones.get("convnext_v2_atto")
    architecture = backbone.construct.keywords["architecture"]  # type: ignore[attr-defined]
    shapes = published_shapes(backbone.build("none", 32), convnext_v2._layout(architecture))
    assert not caplog.records
    save_file({name: tensor(name, shape) for name, shape in shapes.items()}, tmp_path / backbone.published.name)
    model = backbone.build("imagenet", 32, tmp_path)
    np.testing.assert_array_equal(model.get_layer("stem_conv").get_weights()[1], tensor("stem.0.bias", (40,)))
    assert "CC-BY-NC-4.0" in caplog.text
    assert len(backbone.weights_fingerprint("imagenet", tmp_path)) == 64


def test_imagenet__says_which_file_to_put_where_without_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keras.src.utils import file_utils

    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(LearningError, match=r"could not be fetched.*put convnextv2_pico\.fcmae_ft_in1k\.safetensors"):
        backbones.get("convnext_v2_pico").build("imagenet", 32)
