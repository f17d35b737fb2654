"""The perceptual hash: alike for one picture, different for others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from inputs.retouching import cropped, recompressed, resized
from numpy.typing import NDArray
from pictures import plain, scenery
from PIL import Image, ImageEnhance, ImageOps

from mushroom_tasks.perceptual_hash import BITS, distances, mirrored, perceptual_hash
from mushroom_tasks.photos.quality import grey

SEEDS = range(12)


def hashes(change: Callable[[Image.Image], Image.Image] = lambda picture: picture) -> NDArray[np.uint64]:
    return np.array([perceptual_hash(grey(change(scenery(seed)))) for seed in SEEDS], np.uint64)


@pytest.mark.parametrize(
    ("change", "most"),
    [
        (lambda picture: recompressed(picture, 30), 2),
        (lambda picture: resized(picture, 0.5), 2),
        (lambda picture: resized(picture, 2.0), 2),
        (lambda picture: ImageEnhance.Brightness(picture).enhance(0.7), 3),
        (lambda picture: picture.convert("L").convert("RGB"), 1),
        (lambda picture: cropped(picture, 0.02, 0.02, 0.02, 0.02), 12),
    ],
)
def test_perceptual_hash__survives(change: Callable[[Image.Image], Image.Image], most: int) -> None:
    assert distances(hashes(), hashes(change)).max() <= most


def test_perceptual_hash__of_other_pictures_differs_in_about_half_of_the_bits() -> None:
    found = hashes()
    apart = distances(found[:, None], found[None, :])[np.triu_indices(len(found), 1)]

    assert apart.min() > 14
    assert abs(float(apart.mean()) - BITS / 2) < 3


def test_mirrored__is_the_hash_of_the_mirrored_picture() -> None:
    # Mirroring moves no pixel by a part of one, so nothing but a sign that is near zero may differ.
    assert distances(mirrored(hashes()), hashes(ImageOps.mirror)).max() <= 1
    np.testing.assert_array_equal(mirrored(mirrored(hashes())), hashes())


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (2000, 5)])
def test_perceptual_hash__takes_any_size(size: tuple[int, int]) -> None:
    assert 0 <= perceptual_hash(grey(scenery(1, size))) < 2**BITS


def test_perceptual_hash__of_plain_pictures_is_the_same() -> None:
    assert {perceptual_hash(grey(plain(level))) for level in (0, 100, 255)} == {0}


def test_distances__count_bits_and_broadcast() -> None:
    first = np.array([0, 1, 2**64 - 1], np.uint64)
    np.testing.assert_array_equal(distances(first[:, None], first[None, :]), [[0, 1, 64], [1, 0, 63], [64, 63, 0]])
