"""Backbones: exact weights, pixels 0..255, blocks to unfreeze, and weights files that do not fit."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_torch import FakeTorch
from references.seeded_weights import image

from mushroom_tasks.errors import LearningError, UnknownBackbone, WeightsMismatch
from mushroom_tasks.learning import backbones
from mushroom_tasks.learning.backbones import efficientnet_lite0
from mushroom_tasks.learning.backbones.torch_weights import read_tensors


def lite0_state(**changes: Any) -> dict[str, Any]:
    """A whole EfficientNet-Lite0 state dict of small constants, as the checkpoint names it."""
    model = backbones.get("efficientnet_lite0").build("none", 32)
    state: dict[str, Any] = {}
    for layer, names in efficientnet_lite0._layout():
        for name, weight in zip(names, model.get_layer(layer).weights, strict=True):
            shape = tuple(weight.shape)
            if len(shape) == 4:
                shape = (shape[2], shape[3], *shape[:2]) if "depthwise" in name else (shape[3], shape[2], *shape[:2])
            state[name] = FakeTorch.tensor(name, np.full(shape, len(state) / 1000, np.float32))
    state["_fc.weight"] = FakeTorch.tensor("_fc.weight", np.zeros((3, 4)))
    return {**state, **changes}


def test_get__refuses_unknown_backbone_and_lists_known() -> None:
    with pytest.raises(UnknownBackbone, match=r"'resnet'.*efficientnet_lite0, .*mobilenet_v3_large"):
        backbones.get("resnet")


def test_efficientnet__equals_the_original_on_imagenet_weights() -> None:
    # Reference: timm 1.0.31 tf_efficientnet_lite0 in torch 2.13.0 (CPU) with the same checkpoint, its names mapped to
    # timm's, on (image(224) - 127) / 128; the features before the classifier.
    places = [900, 287, 71, 226, 423, 31, 439, 974, 0, 1120]
    reference = [4.8737445, 4.6243453, 3.7353508, 3.6518667, 3.4651966, 3.2622082, 3.1377926, 3.0881908]
    reference += [0.06528419, 0.08059674]
    features = backbones.get("efficientnet_lite0").build("imagenet")(image(224)).numpy()
    assert features.shape == (1, 1280)
    np.testing.assert_allclose(features[0, places], reference, atol=2e-5)
    assert features.sum() == pytest.approx(220.97272, abs=2e-3)


def test_build__reads_checkpoint_in_the_order_of_keras(tmp_path: Path) -> None:
    kernel = np.arange(32 * 3 * 3 * 3, dtype=np.float32).reshape(32, 3, 3, 3)
    path = tmp_path / "lite0.pth"
    FakeTorch.save(lite0_state(**{"_conv_stem.weight": FakeTorch.tensor("_conv_stem.weight", kernel)}), path)
    model = backbones.get("efficientnet_lite0").build(str(path), 32)
    np.testing.assert_array_equal(model.get_layer("stem_conv").get_weights()[0], kernel.transpose(2, 3, 1, 0))


def test_build__names_tensor_whose_shape_differs(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    wrong = FakeTorch.tensor("_conv_head.weight", np.zeros((1000, 320, 1, 1)))
    FakeTorch.save(lite0_state(**{"_conv_head.weight": wrong}), path)
    with pytest.raises(
        WeightsMismatch, match=r"_conv_head\.weight.*\(1, 1, 320, 1280\).*Received: \(1, 1, 320, 1000\)"
    ):
        backbones.get("efficientnet_lite0").build(str(path), 32)


def test_build__names_tensor_that_is_missing_or_too_many(tmp_path: Path) -> None:
    state = lite0_state()
    del state["_bn1.bias"]
    FakeTorch.save(state, tmp_path / "short.pth")
    FakeTorch.save(lite0_state(extra=FakeTorch.tensor("extra", np.zeros(3))), tmp_path / "long.pth")
    build = backbones.get("efficientnet_lite0").build
    with pytest.raises(WeightsMismatch, match=r"lacks the tensor _bn1\.bias"):
        build(str(tmp_path / "short.pth"), 32)
    with pytest.raises(WeightsMismatch, match=r"Received first: extra \(3,\)"):
        build(str(tmp_path / "long.pth"), 32)


def test_build__refuses_weights_of_another_backbone(tmp_path: Path) -> None:
    backbones.get("mobilenet_v3_small").build("none", 32).save_weights(tmp_path / "m.weights.h5")
    backbones.get("mobilenet_v3_small").build("none", 32).save(tmp_path / "m.keras")
    for file in ("m.weights.h5", "m.keras"):
        with pytest.raises(WeightsMismatch, match=file):
            backbones.get("efficientnet_lite0").build(str(tmp_path / file), 32)


def test_build__names_missing_file_and_unknown_suffix(tmp_path: Path) -> None:
    backbone = backbones.get("efficientnet_lite0")
    with pytest.raises(LearningError, match=r"no weights file there. Received: '/nowhere/w.pth'"):
        backbone.build("/nowhere/w.pth", 32)
    (tmp_path / "weights.onnx").write_bytes(b"x")
    with pytest.raises(WeightsMismatch, match=r"\.pth, \.safetensors, \.weights\.h5"):
        backbone.build(str(tmp_path / "weights.onnx"), 32)


def test_build__refuses_tiny_input() -> None:
    with pytest.raises(LearningError, match=r"at least 32 px. Received: 16"):
        backbones.get("efficientnet_lite0").build("none", 16)


def test_weights_fingerprint__follows_the_content(tmp_path: Path) -> None:
    backbone = backbones.get("efficientnet_lite0")
    (tmp_path / "a.pth").write_bytes(b"1")
    (tmp_path / "b.pth").write_bytes(b"1")
    (tmp_path / "c.pth").write_bytes(b"2")
    a, b, c = (backbone.weights_fingerprint(str(tmp_path / f"{name}.pth")) for name in "abc")
    assert a == b
    assert len({a, c, backbone.weights_fingerprint("imagenet"), backbone.weights_fingerprint("none")}) == 4


def test_read_tensors__follows_strides_and_offsets(tmp_path: Path) -> None:
    storage = FakeTorch.Storage("0", np.arange(7, dtype=np.float32))
    FakeTorch.save({"t": FakeTorch.Tensor(storage, (2, 3), (1, 2), offset=1)}, tmp_path / "t.pth")
    np.testing.assert_array_equal(read_tensors(tmp_path / "t.pth")["t"], [[1, 3, 5], [2, 4, 6]])


def test_read_tensors__never_runs_code(tmp_path: Path) -> None:
    touched = tmp_path / "touched"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (touched,))

    (tmp_path / "evil.pth").write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(Evil(), 2) * 4)
    with pytest.raises(WeightsMismatch, match="which no state dict of tensors needs"):
        read_tensors(tmp_path / "evil.pth")
    assert not touched.exists()


@pytest.mark.parametrize(
    ("shape", "strides", "offset"), [((100,), (1,), 0), ((2,), (-1,), 1), ((2, 2), (1 << 40, 1), 0), ((2,), (1,), 3)]
)
def test_read_tensors__refuses_tensor_beyond_its_storage(
    shape: tuple[int, ...], strides: tuple[int, ...], offset: int, tmp_path: Path
) -> None:
    storage = FakeTorch.Storage("0", np.zeros(4, np.float32))
    FakeTorch.save({"t": FakeTorch.Tensor(storage, shape, strides, offset)}, tmp_path / "t.pth")
    with pytest.raises(WeightsMismatch, match="tensor t"):
        read_tensors(tmp_path / "t.pth")


def test_read_tensors__refuses_file_that_breaks_off(tmp_path: Path) -> None:
    path = tmp_path / "t.pth"
    FakeTorch.save({"t": FakeTorch.tensor("0", np.zeros(100))}, path)
    whole = path.read_bytes()
    for length in (0, 3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsMismatch, match=r"t\.pth"):
            read_tensors(path)
