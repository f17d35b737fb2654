"""Coral fungi: a trunk that forks again and again.

coral(traits, age=0.6, density=4000.0, rng=rng)
"""

from __future__ import annotations

import numpy as np

from mushroom_tasks.sample.drawing.floats import Floats, floats
from mushroom_tasks.sample.drawing.noise import smoothstep
from mushroom_tasks.sample.drawing.points import Points, tubes
from mushroom_tasks.sample.drawing.recipe import Coral

_MAIN_BRANCHES = (11, 17)


def coral(traits: Coral, age: float, density: float, rng: np.random.Generator) -> list[Points]:
    """Return a tuft of branches about 1.6 high, base at y = 0."""
    size = 0.65 + 0.35 * age
    starts, ends, radii, levels = _branches(traits, rng)
    which, along, position, normal = tubes(
        starts * size, ends * size, radii * size, density, rounded=levels > traits.forks
    )
    level = levels[which] + along
    share = smoothstep(level, 0.2, 1.6)
    base, branch, tip = (floats(colour)[:, None] / 255 for colour in (traits.base, traits.branch, traits.tip))
    colour = base + (branch - base) * share
    colour += (tip - colour) * smoothstep(level, traits.forks + 0.35, traits.forks + 0.9)
    colour *= rng.normal(1, 0.05, len(levels)).astype(np.float32)[which]
    outside = np.clip(np.hypot(position[0], position[2]) / (0.9 * size), 0, 1)
    high = np.clip(position[1] / (1.5 * size), 0, 1)
    light = 0.4 + 0.6 * np.clip(0.55 * outside + 0.55 * high, 0, 1)
    return [Points(position, normal, colour.astype(np.float32), light.astype(np.float32), gloss=0.05)]


def _branches(traits: Coral, rng: np.random.Generator) -> tuple[Floats, Floats, Floats, Floats]:
    """Return starts, ends (S, 3), radii (S, 2) and levels (S,) of all segments."""
    count = int(rng.integers(*_MAIN_BRANCHES))
    starts, ends = [floats([[0, -0.15, 0]])], [floats([[0, 0.3, 0]])]
    radii, levels = [floats([[0.2, 0.26]])], [floats([0])]
    heading = rng.uniform(0, 2 * np.pi) + np.arange(count) * 2.39996
    lean = traits.spread * np.sqrt((np.arange(count) + 0.5) / count) * rng.uniform(0.8, 1.3, count)
    way = np.stack([np.sin(lean) * np.cos(heading), np.cos(lean), np.sin(lean) * np.sin(heading)], axis=1)
    place = np.stack([0.2 * np.cos(heading) * lean, np.full(count, 0.12), 0.2 * np.sin(heading) * lean], axis=1)
    thick = np.full(count, 0.12)
    length = rng.uniform(0.35, 0.5, count)
    for level in range(1, traits.forks + 2):
        end = place + way * length[:, None]
        starts.append(floats(place))
        ends.append(floats(end))
        radii.append(floats(np.stack([thick, thick * 0.76], axis=1)))
        levels.append(np.full(len(thick), level, np.float32))
        place, way = np.repeat(end, 2, axis=0), np.repeat(way, 2, axis=0)
        way = way + rng.normal(0, 0.3, way.shape) + np.array([0, 0.12, 0])
        way /= np.linalg.norm(way, axis=1, keepdims=True)
        thick = np.repeat(thick, 2) * 0.72
        length = np.repeat(length, 2) * rng.uniform(0.55, 0.8, len(thick))
    return np.concatenate(starts), np.concatenate(ends), np.concatenate(radii), np.concatenate(levels)
