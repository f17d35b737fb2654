"""The drawings: reproducible, of the right size, and telling their species apart."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mushroom_tasks.sample.catalogue import RARE, SPECIES, Species
from mushroom_tasks.sample.drawing.bodies import build
from mushroom_tasks.sample.drawing.junk import draw_junk
from mushroom_tasks.sample.drawing.points import direction, revolve, rotate, rotation_between
from mushroom_tasks.sample.drawing.scene import draw_fungus
from mushroom_tasks.sample.plan import JUNK_KINDS

EVERY = (*SPECIES, RARE)


def generator(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


def pixels(image: Image.Image) -> NDArray[np.float64]:
    return np.asarray(image, dtype=np.float64)


@pytest.mark.parametrize("species", EVERY, ids=lambda species: species.name)
def test_draw_fungus__is_a_photo_of_medium_size(species: Species) -> None:
    image = draw_fungus(species.recipe, generator())
    assert image.mode == "RGB"
    assert max(image.size) == 500
    assert 25 < pixels(image).mean() < 230
    assert pixels(image).std() > 15


def test_draw_fungus__same_generator_same_photo() -> None:
    first, again, other = (draw_fungus(SPECIES[0].recipe, generator(seed)) for seed in (5, 5, 6))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


@pytest.mark.parametrize("kind", JUNK_KINDS)
def test_draw_junk__every_kind_is_drawn_again_the_same(kind: str) -> None:
    first, again = (draw_junk(kind, SPECIES[0].recipe, generator()) for _ in range(2))
    assert first.tobytes() == again.tobytes()
    assert pixels(first).std() > 8


def test_draw_junk__a_blurry_photo_has_no_edges() -> None:
    def sharpness(image: Image.Image) -> float:
        calm = image.convert("L").filter(ImageFilter.GaussianBlur(2))
        return float(np.abs(np.diff(pixels(calm), axis=1)).max())

    assert sharpness(draw_junk("blurry", SPECIES[0].recipe, generator())) < 0.5 * sharpness(
        draw_fungus(SPECIES[0].recipe, generator())
    )


@pytest.mark.parametrize("species", EVERY, ids=lambda species: species.name)
@pytest.mark.parametrize("age", [0.0, 1.0])
def test_build__any_age_gives_sound_points(species: Species, age: float) -> None:
    for part in build(species.recipe.body, age, 200.0, generator()):
        assert part.position.shape == part.normal.shape == part.colour.shape
        for values in (part.position, part.normal, part.colour, part.open_light):
            assert np.isfinite(values).all()
            assert values.dtype == np.float32
        assert np.abs(part.position).max() < 6


@pytest.mark.parametrize("species", EVERY, ids=lambda species: species.name)
def test_build__density_changes_the_points_and_not_the_shape(species: Species) -> None:
    coarse, fine = (build(species.recipe.body, 0.6, density, generator()) for density in (400.0, 1600.0))
    for few, many in zip(coarse, fine, strict=True):
        assert many.position.shape[1] > 2 * few.position.shape[1]
        np.testing.assert_allclose(few.position.max(axis=1), many.position.max(axis=1), atol=0.15)


def test_revolve__spreads_points_evenly_by_area() -> None:
    ball = np.linspace(-np.pi / 2, np.pi / 2, 60)
    surface = revolve(np.stack([np.cos(ball), np.sin(ball)], axis=1), 500.0)
    assert surface.position.shape[1] == pytest.approx(500 * 4 * np.pi, rel=0.01)
    # Archimedes: slices of a sphere of equal height have equal area.
    slices = np.histogram(surface.height, bins=8, range=(-1, 1))[0]
    np.testing.assert_allclose(slices, slices.mean(), rtol=0.05)
    np.testing.assert_allclose(surface.normal, surface.position, atol=0.05)


def test_rotation_between__turns_one_direction_into_the_other() -> None:
    up, leaning = direction(0.0, 0.0), direction(1.1, 2.0)
    turned = rotate(rotation_between(up, leaning), up[:, None])[:, 0]
    np.testing.assert_allclose(turned, leaning, atol=1e-6)
    np.testing.assert_allclose(rotate(rotation_between(up, -up), up[:, None])[:, 0], -up, atol=1e-6)
