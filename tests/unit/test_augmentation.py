"""Augmentation: draws that can be jumped to, crops within bounds, turns and colours that do what they say."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from mushroom_tasks import imaging
from mushroom_tasks.learning.augmentation import (
    Draw,
    colours,
    crop,
    crop_windows,
    draws,
    recolour,
    turn,
    turns,
)
from mushroom_tasks.settings import AugmentationSettings

OFF = AugmentationSettings(crop_area=1, flip=False, rotation=0, contrast=0, brightness=0)
SIZE = 32


def changed(settings: AugmentationSettings, **values: object) -> AugmentationSettings:
    return settings.model_copy(update=values)


def drawn_with(count: int = 1, **values: float) -> np.ndarray:
    """Draws in the middle of all ranges, but for these."""
    drawn = np.full((count, 24), 0.5)
    for name, value in values.items():
        drawn[:, Draw[name]] = value
    return drawn


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (16, SIZE, SIZE, 3)).astype(np.float32)


def turned(photos: np.ndarray, drawn: np.ndarray, settings: AugmentationSettings) -> np.ndarray:
    return np.asarray(turn(photos, turns(drawn, settings, SIZE), settings))


def test_draws__depend_on_seed_epoch_and_position_alone() -> None:
    whole = draws(5, 2, 0, 100)
    for first, count in ((0, 1), (1, 7), (37, 32), (99, 1)):
        np.testing.assert_array_equal(draws(5, 2, first, count), whole[first : first + count])
    assert whole.min() >= 0
    assert whole.max() < 1
    assert not np.isin(draws(5, 3, 0, 100), whole).any()
    assert not np.isin(draws(6, 2, 0, 100), whole).any()
    assert len(np.unique(whole)) == whole.size


@pytest.mark.parametrize("size", [(375, 500), (500, 333), (80, 1000), (1, 1), (7, 300)], ids=str)
def test_crop_windows__lie_in_the_photo_and_keep_area_and_aspect(size: tuple[int, int]) -> None:
    settings = AugmentationSettings(crop_area=0.25, crop_aspect=1.5)
    windows = crop_windows(draws(1, 0, 0, 2000), np.tile(np.int64(size), (2000, 1)), settings)
    top, left, height, width = windows.T
    assert windows.min() >= 0
    assert min(height.min(), width.min()) >= 1
    assert (top + height <= size[0]).all()
    assert (left + width <= size[1]).all()
    assert (width <= height * 1.5 + 1).all()
    assert (height <= width * 1.5 + 1).all()
    if min(size) > 300:
        shares = height * width / (size[0] * size[1])
        assert 0.24 < shares.min() < 0.27
        assert shares.max() > 0.9
        assert (top == 0).any()
        assert (top + height == size[0]).any()


@pytest.mark.parametrize("size", [(60, 80), (91, 50), (40, 40)], ids=str)
def test_crop__without_a_random_crop_is_what_the_phone_sees(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).uniform(0, 255, (6, 8, 3)).astype(np.uint8)
    image = Image.fromarray(noise).resize(size[::-1], Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=95)
    data = stream.getvalue()
    (window,) = crop_windows(draws(1, 0, 0, 1), np.array([size]), OFF)
    expected = imaging.model_input(imaging.decode(data), SIZE).astype(float)
    found = np.asarray(crop(data, window, SIZE))
    assert found.shape == (SIZE, SIZE, 3)
    difference = np.abs(found - expected)[2:-2, 2:-2]  # at its edge, a part has no neighbours to blend colours with
    is_even = (size[0] - size[1]) % 2 == 0  # an odd remainder is half a pixel there, and none here
    assert difference.mean() < (0.5 if is_even else 3)
    assert difference.max() < (2 if is_even else 16)


@pytest.mark.parametrize("settings", [OFF, changed(OFF, rotation=1e-9)], ids=["reversed", "resampled"])
def test_turn__flips_half_of_the_photos_and_only_sideways(photos: np.ndarray, settings: AugmentationSettings) -> None:
    result = turned(photos, draws(1, 0, 0, 16), changed(settings, flip=True))
    is_same = [np.allclose(one, photo, atol=0.01) for one, photo in zip(result, photos, strict=True)]
    is_mirror = [np.allclose(one, photo[:, ::-1], atol=0.01) for one, photo in zip(result, photos, strict=True)]
    assert all(same != mirror for same, mirror in zip(is_same, is_mirror, strict=True))
    assert 2 <= sum(is_mirror) <= 14


def test_turn__rotates_both_ways_by_at_most_its_share(photos: np.ndarray) -> None:
    quarter = changed(OFF, rotation=0.25)
    for draw, quarters in ((0.0, -1), (1.0, 1)):
        expected = np.rot90(photos[:1], quarters, axes=(1, 2))
        np.testing.assert_allclose(turned(photos[:1], drawn_with(ROTATION=draw), quarter), expected, atol=0.05)
    np.testing.assert_allclose(turned(photos[:1], drawn_with(), quarter), photos[:1], atol=0.01)


def test_turn__shifts_and_fills_by_reflection(photos: np.ndarray) -> None:
    result = turned(photos[:1], drawn_with(SHIFT_X=1.0), changed(OFF, translation=0.25))
    np.testing.assert_allclose(result[:, :, :-8], photos[:1, :, 8:], atol=0.01)
    np.testing.assert_allclose(result[:, :, -8:], photos[:1, :, :-9:-1], atol=0.01)
    down = turned(photos[:1], drawn_with(SHIFT_Y=0.0), changed(OFF, translation=0.25))
    np.testing.assert_allclose(down[:, 8:], photos[:1, :-8], atol=0.01)


def test_turn__zooms_around_the_centre() -> None:
    ramp = np.broadcast_to(np.arange(SIZE, dtype=np.float32)[:, None], (1, SIZE, SIZE))[..., None].repeat(3, axis=3)
    closer = turned(ramp, drawn_with(ZOOM=0.0), changed(OFF, zoom=0.4))
    np.testing.assert_allclose(np.diff(closer[0, 1:-1, 5, 0]), 0.6, atol=1e-4)
    assert closer[0, :, 5, 0].mean() == pytest.approx((SIZE - 1) / 2, abs=1e-3)
    farther = turned(ramp, drawn_with(ZOOM=1.0), changed(OFF, zoom=0.4))
    np.testing.assert_allclose(np.diff(farther[0, 8:-8, 5, 0]), 1.2, atol=1e-4)


def test_turn__is_one_map_of_all_turns() -> None:
    settings = changed(OFF, flip=True, rotation=0.25)
    mirrored, rotated = drawn_with(FLIP=0.0), drawn_with(FLIP=0.0, ROTATION=1.0)
    photo = np.random.default_rng(2).uniform(0, 255, (1, SIZE, SIZE, 3)).astype(np.float32)
    in_turns = turned(turned(photo, drawn_with(FLIP=0.9, ROTATION=1.0), settings), mirrored, settings)
    np.testing.assert_allclose(turned(photo, rotated, settings), in_turns, atol=0.1)


def test_recolour__changes_mean_and_spread_within_0_to_255(photos: np.ndarray) -> None:
    mild = 100 + photos * 0.1
    settings = changed(OFF, contrast=0.5, brightness=0.2)
    brighter = np.asarray(recolour(mild, colours(drawn_with(16, BRIGHTNESS=1.0), settings)))
    np.testing.assert_allclose(brighter, mild + 51, atol=0.01)
    flatter = np.asarray(recolour(mild, colours(drawn_with(16, CONTRAST=0.0), settings)))
    np.testing.assert_allclose(flatter.mean(axis=(1, 2)), mild.mean(axis=(1, 2)), atol=0.05)
    np.testing.assert_allclose(flatter.std(axis=(1, 2)), mild.std(axis=(1, 2)) / 2, rtol=1e-3)
    strong = np.asarray(recolour(photos, colours(draws(1, 0, 0, 16), changed(OFF, contrast=1, brightness=1))))
    assert strong.min() >= 0
    assert strong.max() <= 255


def test_turn__leaves_photos_alone_when_all_is_off(photos: np.ndarray) -> None:
    drawn = draws(1, 0, 0, 16)
    np.testing.assert_array_equal(turned(photos, drawn, OFF), photos)
    np.testing.assert_allclose(np.asarray(recolour(photos, colours(drawn, OFF))), photos, atol=1e-3)
