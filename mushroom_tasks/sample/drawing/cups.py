"""Cup fungi and morels.

morel(traits, age=0.6, density=4000.0, rng=rng)
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from mushroom_tasks.sample.drawing.floats import Floats, floats
from mushroom_tasks.sample.drawing.noise import at, smoothstep
from mushroom_tasks.sample.drawing.points import Points, normalize, revolve, toned
from mushroom_tasks.sample.drawing.recipe import Cup, Morel

_MAP = 160


def morel(traits: Morel, age: float, density: float, rng: np.random.Generator) -> list[Points]:
    """Return a morel whose head is about 0.7 in radius, base at y = 0."""
    size = 0.6 + 0.4 * age
    tall = rng.uniform(*traits.head_height) * size
    length = rng.uniform(*traits.stem_length) * size
    wide = rng.uniform(0.62, 0.82) * size
    bend = rng.normal(0, 0.12, 2)
    head = _head(traits, (tall, wide, length), density, rng)
    stem = _morel_stem(traits, length, wide, density, rng)
    for part in (head, stem):
        share = np.clip(part.position[1] / (length + tall), 0, 1) ** 2
        part.position[0] += floats(bend[0]) * share
        part.position[2] += floats(bend[1]) * share
    return [head, stem]


def _head(traits: Morel, size: tuple[float, float, float], density: float, rng: np.random.Generator) -> Points:
    tall, wide, length = size
    t = np.linspace(0, 1, 36)
    point = rng.uniform(0.8, 1.25)
    width = wide * np.sin(np.pi * (0.08 + 0.92 * t**0.9)) ** 0.55 * (1.08 - 0.35 * t * point)
    width[-1] = 0.0
    profile = np.stack([width, length - 0.12 + tall * t], axis=1)
    surface = revolve(profile, density * 1.25)
    height, around, upward = _honeycomb(int(rng.uniform(*traits.pits)), tall / (2 * np.pi * wide), rng)
    column = (surface.angle / (2 * np.pi) * _MAP).astype(np.int32) % _MAP
    row = np.clip(surface.along * _MAP, 0, _MAP - 1).astype(np.int32)
    relief = height[row, column]
    position = surface.position + surface.normal * ((relief - 1) * 0.17 * wide)
    normal = surface.normal.copy()
    normal[0] += around[row, column] * np.sin(surface.angle)
    normal[2] -= around[row, column] * np.cos(surface.angle)
    normal[1] -= upward[row, column]
    ridge, pit = floats(traits.ridge)[:, None] / 255, floats(traits.pit)[:, None] / 255
    colour = pit + (ridge - pit) * smoothstep(relief, 0.3, 0.95)
    colour *= 1 + 0.07 * at(surface.angle * 60, surface.along * 200, exponent=1.0)
    light = 0.3 + 0.7 * relief
    return Points(
        position, normalize(normal), colour.astype(np.float32), light.astype(np.float32), 0.08, outward=surface.normal
    )


def _honeycomb(count: int, aspect: float, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Return a map of ridges (1) and pits (0) and its slopes, (_MAP, _MAP); columns continue at the edge."""
    rows = max(3, round(np.sqrt(count * aspect)))
    columns = max(4, round(count / rows))
    grid_y, grid_x = np.mgrid[0:rows, 0:columns]
    x = (grid_x + 0.5 * (grid_y % 2) + rng.uniform(-0.32, 0.32, grid_x.shape)).ravel() / columns % 1.0
    y = (grid_y + 0.5 + rng.uniform(-0.32, 0.32, grid_y.shape)).ravel() / rows
    side = np.linspace(0, 1, _MAP, endpoint=False, dtype=np.float32)
    across = side[None, :, None] - floats(x)
    across -= np.round(across)
    # Pits are higher than wide.
    distance = np.hypot(across * columns, (side[:, None, None] - floats(y)) * rows * 0.85)
    nearest = np.partition(distance, 1, axis=2)[:, :, :2]
    border = nearest[..., 1] - nearest[..., 0]
    height = 1 - smoothstep(border, 0.06, 0.5)
    soft = Image.fromarray((height * 255).astype(np.uint8), "L").filter(ImageFilter.GaussianBlur(1.2))
    height = floats(soft) / 255
    upward, around = np.gradient(height)
    return height, around * floats(7), upward * floats(7)


def _morel_stem(traits: Morel, length: float, wide: float, density: float, rng: np.random.Generator) -> Points:
    t = np.linspace(0, 1, 20)
    width = wide * (0.55 + 0.28 * np.exp(-((t / 0.25) ** 2)) + 0.04 * np.sin(t * 9))
    width *= np.sqrt(np.clip(t / 0.07, 0, 1))
    surface = revolve(np.stack([width, t * (length + 0.1) - 0.1], axis=1), density)
    outward = surface.normal.copy()
    seed = rng.uniform(0, 400)
    folds = at(surface.angle * 26 + seed, surface.along * 18)
    grain = at(surface.angle * 90 + seed, surface.along * 160, exponent=0.8)
    surface.normal[0] -= 0.35 * folds * np.sin(surface.angle)
    surface.normal[2] += 0.35 * folds * np.cos(surface.angle)
    colour = toned(traits.stem, 1 + 0.07 * grain + 0.07 * folds)
    light = (0.4 + 0.6 * smoothstep(1 - surface.along, 0.0, 0.3)) * (0.5 + 0.5 * smoothstep(surface.along, 0.05, 0.3))
    return Points(surface.position, surface.normal, colour, light.astype(np.float32), outward=outward)


def cup(traits: Cup, age: float, density: float, rng: np.random.Generator) -> list[Points]:
    """Return a bowl of radius about 1, its underside at y = 0."""
    radius = 0.5 + 0.5 * age
    young, old = traits.depth
    depth = young * (1 - age) + old * age
    t = np.linspace(0.02, 1, 30)
    bowl = np.stack([t, depth * t**2.2], axis=1) * radius
    inner = bowl * floats([0.96, 1.0]) + floats([0, 0.05])
    outside, inside = revolve(bowl, density), revolve(inner, density)
    inside.normal *= -1
    lobes, phase = int(rng.integers(2, 5)), rng.uniform(0, 6, 2)
    parts = []
    for surface, colour, gloss in ((outside, traits.outside, 0.0), (inside, traits.inside, 0.25)):
        share = surface.radius / radius
        swing = np.cos(lobes * surface.angle + phase[0]) + 0.6 * np.cos((lobes + 1) * surface.angle + phase[1])
        surface.position[1] += 0.1 * age * share**2 * swing
        surface.position[0] *= 1 + 0.07 * share * swing
        grain = at(surface.position[0] * 90, surface.position[2] * 90, exponent=1.0)
        tone = toned(colour, 1 + 0.06 * grain)
        light = 0.45 + 0.55 * share**1.5 if surface is inside else 0.4 + 0.6 * share
        parts.append(Points(surface.position, surface.normal, tone, light.astype(np.float32), gloss=gloss))
    return parts
