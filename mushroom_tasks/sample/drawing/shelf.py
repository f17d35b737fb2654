"""What grows from the side of a trunk (the plane z = 0): brackets, and cushions of spines.

bracket(traits, age=0.6, density=4000.0, rng=rng)
"""

from __future__ import annotations

import numpy as np

from mushroom_tasks.sample.drawing.floats import Floats, floats
from mushroom_tasks.sample.drawing.noise import at, smoothstep
from mushroom_tasks.sample.drawing.points import Points, normalize, revolve, toned, tubes
from mushroom_tasks.sample.drawing.recipe import Bracket, Teeth


def bracket(traits: Bracket, age: float, density: float, rng: np.random.Generator) -> list[Points]:
    """Return a half-round shelf of radius about 1, attached at the origin."""
    radius = 0.55 + 0.45 * age
    deep = rng.uniform(0.6, 0.95)
    thick = traits.thickness * rng.uniform(0.8, 1.3)
    rho = np.sin(np.linspace(0, np.pi / 2, 30))
    top = np.stack([rho, thick * (1.3 - rho**2.2)], axis=1) * radius
    edge = np.array([[1.02, thick * 0.12], [1.015, 0.0], [0.99, -0.02]]) * radius
    upper = revolve(np.concatenate([top, edge])[::-1], density)
    under = revolve(np.stack([rho, -0.02 - 0.6 * thick * (1 - rho)], axis=1) * radius, density)
    phase, lobes = rng.uniform(0, 2 * np.pi, 2), int(rng.integers(2, 5))
    for surface in (upper, under):
        share = surface.radius / radius
        swing = np.cos(lobes * surface.angle + phase[0]) + 0.7 * np.cos((lobes + 3) * surface.angle + phase[1])
        surface.position[1] += 0.03 * share**2 * swing
        wide = 1 + 0.07 * share * np.cos(lobes * surface.angle + phase[1])
        surface.position[0] *= wide
        surface.position[2] *= wide * deep
    parts = [_zoned(traits, upper.position, upper.normal, upper.radius / radius, upper.angle, rng)]
    speck = at(under.position[0] * 160, under.position[2] * 160, exponent=0.8)
    light = np.full(len(speck), 0.6, np.float32)
    parts.append(Points(under.position, under.normal, toned(traits.pores, 1 + 0.1 * speck), light))
    return [part.keep(part.position[2] > -0.02) for part in parts]


def _zoned(
    traits: Bracket, position: Floats, normal: Floats, share: Floats, angle: Floats, rng: np.random.Generator
) -> Points:
    seed = rng.uniform(0, 400)
    warped = share + 0.035 * at(angle * 50 + seed, share * 40) + 0.02 * np.cos(angle * 5 + seed)
    bands = floats(traits.bands).T / 255
    place = np.clip((np.maximum(1 - warped, 0)) ** 0.8, 0, 0.999) * (len(traits.bands) - 1) * rng.uniform(0.9, 1.1)
    index = np.clip(place.astype(int), 0, len(traits.bands) - 2)
    between = smoothstep(place - index, 0.25, 0.75)
    colour = bands[:, index] * (1 - between) + bands[:, index + 1] * between
    rings = np.sin(warped * 34 + seed)
    fuzz = at(position[0] * 200 + seed, position[2] * 200, exponent=0.8)
    colour = colour * (1 + 0.07 * rings + 0.07 * traits.velvet * fuzz)
    slope = 0.25 * np.cos(warped * 34 + seed)
    outward = normal.copy()
    normal[0] += slope * np.cos(angle)
    normal[2] += slope * np.sin(angle)
    light = 0.55 + 0.45 * smoothstep(position[2], 0.0, 0.35)
    return Points(
        position, normalize(normal), colour.astype(np.float32), light.astype(np.float32), traits.gloss, outward=outward
    )


def teeth(traits: Teeth, age: float, density: float, rng: np.random.Generator) -> list[Points]:
    """Return a cushion of radius about 1 whose spines hang down, attached at the origin."""
    size = 0.6 + 0.4 * age
    count = int(260 * size)
    turn, drop = rng.uniform(0, np.pi, count), rng.uniform(-0.75, 0.8, count)
    out = np.sqrt(1 - drop**2 * 0.8)
    wide, high, deep = rng.uniform(0.8, 1.05), rng.uniform(0.65, 0.95), rng.uniform(0.55, 0.75)
    start = np.stack([np.cos(turn) * out * wide, drop * high, np.sin(turn) * out * deep], axis=1) * size
    length = rng.uniform(*traits.length) * size * rng.uniform(0.7, 1.2, count)
    away = np.stack([np.cos(turn) * 0.25, np.full(count, -1.0), np.sin(turn) * 0.3], axis=1)
    away += rng.normal(0, 0.08, (count, 3))
    end = start + away * length[:, None]
    radii = np.stack([np.full(count, 0.06), np.full(count, 0.02)], axis=1) * size
    which, along, position, normal = tubes(floats(start), floats(end), floats(radii), density)
    spine, tip = floats(traits.spine)[:, None] / 255, floats(traits.tip)[:, None] / 255
    colour = (spine + (tip - spine) * along**2) * rng.normal(1, 0.05, count).astype(np.float32)[which]
    depth = np.hypot(start[which, 0] / wide, start[which, 2] / deep) / size
    light = (0.6 + 0.4 * along) * (0.7 + 0.3 * np.clip(depth, 0, 1))
    spines = Points(position, normal, colour.astype(np.float32), light.astype(np.float32), gloss=0.1)
    return [spines, _cushion(traits, size, (wide, high, deep), density)]


def _cushion(traits: Teeth, size: float, axes: tuple[float, float, float], density: float) -> Points:
    t = np.linspace(-np.pi / 2, np.pi / 2, 20)
    surface = revolve(np.stack([np.cos(t), np.sin(t)], axis=1) * size * 0.97, density * 0.7)
    position = surface.position * floats(axes)[:, None]
    rough = at(surface.angle * 60, surface.along * 150, exponent=1.0)
    light = np.full(len(rough), 0.6, np.float32)
    return Points(position, surface.normal, toned(traits.spine, 0.9 + 0.06 * rough), light).keep(position[2] > -0.1)
