"""MixUp and CutMix: labels that sum to one and say what the pixels show."""

from __future__ import annotations

import numpy as np
import pytest

from mushroom_tasks.learning.augmentation import draws
from mushroom_tasks.learning.mixing import is_mixing, mix, mixes_of
from mushroom_tasks.settings import AugmentationSettings

COUNT, SIZE = 64, 32
MIXUP = AugmentationSettings(mixup_alpha=0.4)
CUTMIX = AugmentationSettings(cutmix_alpha=1.0)
BOTH = AugmentationSettings(mixup_alpha=0.4, cutmix_alpha=1.0)
# Photo i is all i, and of class i: a pixel tells whose it is.
PIXELS = np.broadcast_to(np.arange(COUNT, dtype=np.float32)[:, None, None, None], (COUNT, SIZE, SIZE, 3))
LABELS = np.eye(COUNT, dtype=np.float32)
OTHER = np.roll(np.arange(COUNT), 1)


def mixed(settings: AugmentationSettings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mixes = mixes_of(draws(1, 0, 0, COUNT), settings, SIZE)
    pixels, labels = mix(PIXELS, LABELS, mixes)
    return np.asarray(pixels), np.asarray(labels), mixes


@pytest.mark.parametrize("settings", [MIXUP, CUTMIX, BOTH], ids=["mixup", "cutmix", "both"])
def test_mix__labels_sum_to_one_and_say_what_the_pixels_show(settings: AugmentationSettings) -> None:
    pixels, labels, _ = mixed(settings)
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    assert labels.min() >= 0
    kept = labels[np.arange(COUNT), np.arange(COUNT)]
    np.testing.assert_allclose(labels[np.arange(COUNT), OTHER], 1 - kept, atol=1e-6)
    expected = np.arange(COUNT) * kept + OTHER * (1 - kept)
    np.testing.assert_allclose(pixels.mean(axis=(1, 2, 3)), expected, atol=0.01)
    assert kept.std() > 0.1  # every photo draws its own share


def test_mix__cutmix_covers_a_rectangle_and_blends_nothing() -> None:
    pixels, _, mixes = mixed(CUTMIX)
    for photo, own, other, (_, top, left, bottom, right) in zip(pixels, range(COUNT), OTHER, mixes, strict=True):
        expected = np.full((SIZE, SIZE, 3), own, np.float32)
        expected[int(top) : int(bottom), int(left) : int(right)] = other
        np.testing.assert_array_equal(photo, expected)
    assert ((mixes[:, 3] > mixes[:, 1]).sum()) > COUNT / 2


def test_mix__mixup_blends_every_pixel_alike() -> None:
    pixels, _, mixes = mixed(MIXUP)
    np.testing.assert_allclose(pixels.std(axis=(1, 2, 3)), 0, atol=1e-4)
    assert (mixes[:, 1:] == 0).all()


def test_mixes_of__share_the_photos_between_both() -> None:
    mixes = mixes_of(draws(1, 0, 0, 2000), BOTH, SIZE)
    covers = (mixes[:, 3] > mixes[:, 1]).mean()
    assert 0.4 < covers < 0.5  # a few rectangles are empty


def test_mixes_of__follow_the_beta_distribution() -> None:
    kept = mixes_of(draws(1, 0, 0, 5000), MIXUP, SIZE)[:, 0]
    assert kept.mean() == pytest.approx(0.5, abs=0.02)
    assert kept.var() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), abs=0.01)


def test_mixes_of__turned_off_keep_every_photo() -> None:
    off = AugmentationSettings()
    assert not is_mixing(off)
    np.testing.assert_array_equal(mixes_of(draws(1, 0, 0, 3), off, SIZE), [[1, 0, 0, 0, 0]] * 3)
