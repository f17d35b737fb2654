"""One photo of a species: fruit bodies, ground, light and camera put together.

image = draw_fungus(recipe, np.random.default_rng(7))      # RGB, 500 pixels at its longer side
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image, ImageChops

from mushroom_tasks.sample.drawing.bark import paint_bark
from mushroom_tasks.sample.drawing.camera import photograph
from mushroom_tasks.sample.drawing.floats import floats
from mushroom_tasks.sample.drawing.ground import Ground
from mushroom_tasks.sample.drawing.placing import Arrangement, arrange
from mushroom_tasks.sample.drawing.raster import MOST_POINTS, Light, View, plane_shadow, render
from mushroom_tasks.sample.drawing.recipe import Habitat, Recipe

SIZES = ((500, 375), (375, 500), (500, 333), (500, 500), (500, 281))
SIZE_SHARES = (0.52, 0.26, 0.1, 0.06, 0.06)
_SKETCH_DENSITY = 60.0  # points per unit of area that tell how much room a scene takes


def draw_fungus(
    recipe: Recipe, rng: np.random.Generator, *, fill: float | None = None, blur: float | None = None
) -> Image.Image:
    """Return a photo of a species.

    `fill` is the share of the frame that the fruit bodies span, None for a usual one; `blur` the radius in pixels
    by which the camera misses the focus, None for a usual one.
    """
    size = SIZES[int(rng.choice(len(SIZES), p=SIZE_SHARES))]
    scene = arrange(recipe, rng)
    view = _frame(scene, size, rng.uniform(0.55, 1.15) if fill is None else fill, rng)
    light = daylight(rng)
    bodies = scene.bodies(view.density)
    everything = [part for body in bodies for part in body]
    layer = render(everything, view, light)
    shadow = plane_shadow(everything, view, light, wall=scene.on_wall)
    if scene.on_wall:
        image = paint_bark(size, view.scale, rng)
    else:
        ground = Ground(_habitat(recipe, rng), size, *_horizon(scene, view, rng), float(np.sin(scene.elevation)), rng)
        image = ground.paint()
    image = darken(image, shadow, 0.3 + 0.35 * float(light.key[0]))
    image.paste(layer, (0, 0), layer)
    if not scene.on_wall:
        image = ground.cover(image, _feet(scene, view, rng))
        image = ground.cover(image, _in_the_way(size, rng), blur=float(rng.uniform(1.5, 4)))
    return photograph(image, rng, blur=blur)


def daylight(rng: np.random.Generator) -> Light:
    """Return light somewhere between bright sun and the shade of a dense forest."""
    sun = rng.beta(1.3, 1.5)
    heading, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.65, 1.25)
    towards = floats([np.cos(height) * np.cos(heading), np.sin(height), np.cos(height) * np.sin(heading) + 0.35])
    return Light(
        towards=towards / np.linalg.norm(towards),
        key=floats([1.0, 0.97, 0.91]) * floats(0.5 + 0.5 * sun),
        sky=floats([0.97, 1.0, 1.03]) * floats(0.7 - 0.2 * sun),
        bounce=floats([0.46, 0.42, 0.33]),
    )


def darken(image: Image.Image, shadow: Image.Image, strength: float) -> Image.Image:
    """Return the image with less light where the "L" image `shadow` is bright."""
    left = shadow.point(lambda v: 255 - int(v * strength))
    return ImageChops.multiply(image, Image.merge("RGB", (left, left, left)))


def _frame(scene: Arrangement, size: tuple[int, int], fill: float, rng: np.random.Generator) -> View:
    """Return the camera that lets the fruit bodies span a share of the frame, not quite in its middle."""
    sketch = View(scene.elevation, 1.0, (0.0, 0.0), size)
    parts = [part for body in scene.bodies(_SKETCH_DENSITY) for part in body]
    positions = np.concatenate([part.position for part in parts], axis=1)
    across, down, _ = sketch.project(positions)
    wide, high = np.ptp(across), np.ptp(down)
    scale = fill * min(size[0] / wide, size[1] / high)
    middle = (float(across.max() + across.min()) / 2, float(down.max() + down.min()) / 2)
    slack = np.maximum(0.06, 1 - np.array([wide / size[0], high / size[1]]) * scale) * 0.32
    shift = rng.normal(0, slack, 2)
    x = size[0] * (0.5 + np.clip(shift[0], -0.3, 0.3)) - middle[0] * scale
    y = size[1] * (0.52 + np.clip(shift[1], -0.2, 0.2)) - middle[1] * scale
    view = View(scene.elevation, float(scale), (float(x), float(y)), size)
    area = positions.shape[1] / _SKETCH_DENSITY
    share = min(1.0, float(np.sqrt(MOST_POINTS / (area * view.density))))
    return replace(view, supersample=max(0.9, view.supersample * share))


def _in_the_way(size: tuple[int, int], rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Return where something close to the lens hides a part of the picture; mostly nowhere."""
    if rng.random() < 0.75:
        return []
    count = int(rng.integers(1, 5))
    return [
        (float(rng.uniform(0, size[0])), float(size[1] * rng.uniform(0.9, 1.1)), float(rng.uniform(1.5, 2.8)))
        for _ in range(count)
    ]


def _habitat(recipe: Recipe, rng: np.random.Generator) -> Habitat:
    return recipe.habitats[int(rng.integers(len(recipe.habitats)))]


def _horizon(scene: Arrangement, view: View, rng: np.random.Generator) -> tuple[float, float]:
    """Return the rows of the horizon (negative: none is seen) and of the ground in focus."""
    focus = view.centre[1]
    if scene.elevation > 0.62:
        return -100.0, focus
    rise = (0.12 + 1.5 * np.sin(scene.elevation)) * view.size[1] * rng.uniform(0.3, 0.6)
    return float(min(focus - rise, view.size[1] * 0.8)), focus


def _feet(scene: Arrangement, view: View, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Return where litter stands before the fruit bodies: around each base, on the viewer's side."""
    places = []
    for one in scene.placed:
        if scene.lying or scene.elevation > 0.95:
            continue
        count = int(rng.integers(5, 14))
        x = one.offset[0] + rng.normal(0, 0.28, count) * one.size
        z = one.offset[2] + rng.uniform(0.15, 0.4, count)
        ground = floats(np.stack([x, np.zeros(count), z]))
        across, down, _ = view.project(ground)
        size = np.full(count, 0.75 * view.scale / 90).clip(0.3, 1.1)
        places += list(zip(across.tolist(), (down + 3).tolist(), size.tolist(), strict=True))
    return places
