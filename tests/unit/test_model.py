"""The classifier: what learns, what never does, and what is no part of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mushroom_tasks.learning import backbones
from mushroom_tasks.learning.model import (
    build_classifier,
    feature_extractor,
    head_of,
    logits_of,
    rate_factors,
    set_depth,
)


@pytest.fixture(scope="module", params=["efficientnet_lite0", "mobilenet_v3_small"])
def classifier(request: pytest.FixtureRequest) -> tuple[backbones.Backbone, Any]:
    backbone = backbones.get(request.param)
    return backbone, build_classifier(backbone, "none", 3, dropout=0.0, input_size=32)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype(np.float32)


def test_build_classifier__gives_probabilities(classifier: tuple[Any, Any], pixels: np.ndarray) -> None:
    _, model = classifier
    probabilities = model(pixels).numpy()
    assert probabilities.shape == (4, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_build_classifier__keeps_batch_norm_in_inference_mode(classifier: tuple[Any, Any], pixels: np.ndarray) -> None:
    backbone, model = classifier
    set_depth(model, backbone, 1.0)
    before = [weight.numpy() for weight in model.non_trainable_weights]
    np.testing.assert_array_equal(model(pixels, training=True).numpy(), model(pixels, training=False).numpy())
    for one, other in zip(before, model.non_trainable_weights, strict=True):
        np.testing.assert_array_equal(one, other.numpy())


def test_set_depth__lets_only_the_head_learn_at_zero(classifier: tuple[Any, Any]) -> None:
    backbone, model = classifier
    assert set_depth(model, backbone, 0.0) == backbone.features * 3 + 3
    assert [weight.path for weight in model.trainable_weights] == ["head/kernel", "head/bias"]


def test_set_depth__reaches_deeper_and_back_but_never_batch_norm(classifier: tuple[Any, Any]) -> None:
    backbone, model = classifier
    counts = [set_depth(model, backbone, depth) for depth in (0.0, 0.3, 1.0)]
    assert counts == sorted(set(counts))
    assert not [weight.path for weight in model.trainable_weights if "gamma" in weight.path or "beta" in weight.path]
    assert set_depth(model, backbone, 0.3) == counts[1]


def test_head_of__shares_the_weights_of_the_classifier(classifier: tuple[Any, Any], pixels: np.ndarray) -> None:
    _, model = classifier
    logits = head_of(model)(feature_extractor(model)(pixels)).numpy()
    np.testing.assert_allclose(logits, logits_of(model)(pixels).numpy(), atol=1e-5)
    exponentials = np.exp(logits)
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, model(pixels).numpy(), atol=1e-6)


def test_rate_factors__fall_from_the_head_down(classifier: tuple[Any, Any]) -> None:
    backbone, model = classifier
    set_depth(model, backbone, 1.0)
    factors = rate_factors(model, backbone, 0.5)
    assert len(factors) == len(model.trainable_variables)
    assert factors[-2:] == [1.0, 1.0], "the head's kernel and bias"
    assert max(factors[:-2]) == 0.5
    assert min(factors) == 0.5**backbone.blocks
    assert set(rate_factors(model, backbone, 1.0)) == {1.0}


def test_classifier__loads_again_without_custom_objects(
    classifier: tuple[Any, Any], pixels: np.ndarray, tmp_path: Path
) -> None:
    import keras

    _, model = classifier
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(loaded(pixels).numpy(), model(pixels).numpy())
    assert not [layer.name for layer in loaded.layers if layer.name.startswith("random")]
