"""RandAugment's operations, beside Pillow's of the same name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from mushroom_tasks.learning.augmentation import draws, turn, turns
from mushroom_tasks.learning.randaugment import OPERATIONS, Operations, operate, operations_of
from mushroom_tasks.settings import AugmentationSettings

SIZE = 48
TWO = AugmentationSettings(randaugment_number=2, flip=False, rotation=0)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    coarse = np.random.default_rng(0).uniform(30, 220, (6, 6, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def one(name: str, strength: float) -> Operations:
    return Operations(np.array([[OPERATIONS.index(name)]], np.int32), np.array([[strength]], np.float32))


PILLOW: dict[str, tuple[float, Callable[[Image.Image], Image.Image]]] = {
    "identity": (0, lambda image: image),
    "autocontrast": (0, ImageOps.autocontrast),
    "equalize": (0, ImageOps.equalize),
    "solarize": (128, lambda image: ImageOps.solarize(image, 128)),
    "posterize": (3, lambda image: ImageOps.posterize(image, 5)),
    "color": (0.6, lambda image: ImageEnhance.Color(image).enhance(1.6)),
    "contrast": (-0.6, lambda image: ImageEnhance.Contrast(image).enhance(0.4)),
    "brightness": (0.6, lambda image: ImageEnhance.Brightness(image).enhance(1.6)),
    "sharpness": (-0.6, lambda image: ImageEnhance.Sharpness(image).enhance(0.4)),
}


@pytest.mark.parametrize("name", PILLOW)
def test_operate__does_what_pillow_does(photo: np.ndarray, name: str) -> None:
    strength, pillow = PILLOW[name]
    chosen = one(name, strength)
    found = np.asarray(operate(_tensor(photo), chosen.names[0], chosen.strengths[0]))
    expected = np.asarray(pillow(Image.fromarray(photo))).astype(float)
    difference = np.abs(found - expected)[1:-1, 1:-1]  # Pillow leaves the border as it is where it smooths
    assert difference.mean() < 1.5
    assert difference.max() < 6
    assert (name == "identity") == np.allclose(found, photo)


@pytest.mark.parametrize("name", ["rotate", "shear_x", "shear_y", "shift_x", "shift_y"])
def test_maps__turn_the_photo_and_operate_leaves_it(photo: np.ndarray, name: str) -> None:
    chosen = one(name, 0.25)
    same = operate(_tensor(photo), chosen.names[0], chosen.strengths[0])
    np.testing.assert_array_equal(np.asarray(same), photo)
    there = np.asarray(turn(same[None], turns(draws(1, 0, 0, 1), TWO, SIZE, chosen.maps(SIZE)), TWO))
    assert np.abs(there - photo).mean() > 5
    back = np.asarray(turn(there, turns(draws(1, 0, 0, 1), TWO, SIZE, one(name, -0.25).maps(SIZE)), TWO))
    middle = slice(SIZE // 3, -SIZE // 3)
    assert np.abs(back[0] - photo)[middle, middle].mean() < 4


def test_maps__shift_to_the_side_they_are_named_for(photo: np.ndarray) -> None:
    moved = np.asarray(
        turn(_tensor(photo)[None], turns(draws(1, 0, 0, 1), TWO, SIZE, one("shift_x", 0.25).maps(SIZE)), TWO)
    )
    np.testing.assert_allclose(moved[0, :, :-12], photo[:, 12:], atol=0.01)


def test_operations_of__draw_all_operations_with_either_sign() -> None:
    chosen = operations_of(draws(1, 0, 0, 2000), TWO)
    assert chosen.names.shape == chosen.strengths.shape == (2000, 2)
    shares = np.bincount(chosen.names.ravel(), minlength=len(OPERATIONS)) / 4000
    assert shares.min() > 0.8 / len(OPERATIONS)
    for name, strength in (("color", 0.54), ("shift_y", 0.27)):
        found = np.unique(chosen.strengths[chosen.names == OPERATIONS.index(name)])
        np.testing.assert_allclose(found, [-strength, strength], atol=1e-6)
    assert (chosen.strengths[chosen.names == OPERATIONS.index("solarize")] > 0).all()


def test_operations_of__are_none_at_number_zero() -> None:
    none = operations_of(draws(1, 0, 0, 5), AugmentationSettings())
    assert none.names.shape == (5, 0)
    np.testing.assert_array_equal(none.maps(SIZE), np.tile(np.eye(3), (5, 1, 1)))


def test_operate__stays_within_0_to_255_at_any_magnitude(photo: np.ndarray) -> None:
    strongest = operations_of(draws(1, 0, 0, 30), TWO.model_copy(update={"randaugment_magnitude": 10.0}))
    for names, strengths in zip(strongest.names, strongest.strengths, strict=True):
        found = np.asarray(operate(_tensor(photo), names, strengths))
        assert found.shape == photo.shape
        assert 0 <= found.min() <= found.max() <= 255


def _tensor(photo: np.ndarray):
    import tensorflow as tf

    return tf.constant(photo, tf.float32)
