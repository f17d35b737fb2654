"""Cap, gills or pores, stem, ring and volva.

agaric(traits, age=0.6, density=4000.0, rng=np.random.default_rng(1))      # list of Points, base at y = 0
"""

from __future__ import annotations

import numpy as np

from mushroom_tasks.sample.drawing.captexture import cap_texture, look_up
from mushroom_tasks.sample.drawing.floats import Floats, floats
from mushroom_tasks.sample.drawing.noise import at, smoothstep
from mushroom_tasks.sample.drawing.points import (
    Points,
    Revolution,
    direction,
    normalize,
    revolve,
    rotation_between,
    toned,
)
from mushroom_tasks.sample.drawing.recipe import Agaric

_BURIED = 0.12
_SOIL = (0.36, 0.28, 0.2)
_UP = floats([0, 1, 0])


def agaric(traits: Agaric, age: float, density: float, rng: np.random.Generator) -> list[Points]:
    """Return a fruit body whose grown cap has radius 1; `age` runs from 0 (button) to 1 (old)."""
    radius = 0.5 + 0.5 * age**0.8
    thick = rng.uniform(*traits.stem_radius) * (1.15 - 0.15 * age)
    length = rng.uniform(*traits.stem_length) * (0.55 + 0.45 * age)
    bend = rng.normal(0, 0.10, size=2) * length
    shape = _CapShape(traits, age, radius, thick, rng)
    cap = [part.turned(shape.tilt).moved((bend[0], length - shape.seat, bend[1])) for part in shape.points(density)]
    parts = [*cap, _stem(traits, length, thick, bend, radius, density, rng)]
    if traits.ring and age > 0.3:
        parts.append(_ring(traits, length, thick, bend, density, rng))
    if traits.volva:
        parts.append(_volva(traits, thick, density, rng))
    return parts


class _CapShape:
    """Profile and unevenness of one cap; `seat` is the height at which the stem meets it."""

    def __init__(self, traits: Agaric, age: float, radius: float, thick: float, rng: np.random.Generator) -> None:
        self._traits, self._age, self._radius, self._thick, self._rng = traits, age, radius, thick, rng
        self._wave = rng.uniform(0.0, 0.09) * age
        self._lobes = int(rng.integers(2, 6))
        self._phase = rng.uniform(0, 2 * np.pi, size=3)
        self.tilt = rotation_between(_UP, direction(abs(rng.normal(0, 0.14)), rng.uniform(0, 2 * np.pi)))
        rho = np.sin(np.linspace(0, np.pi / 2, 40))
        self._top = self._top_height(rho)
        self._rho = rho
        under_rho = np.linspace(1, thick / radius * 0.9, 24)
        self._under = np.stack([under_rho, self._under_height(under_rho)], axis=1) * radius
        self.seat = float(self._under[-1, 1]) - 0.05

    def _top_height(self, rho: Floats) -> Floats:
        traits, young, old = self._traits, *self._traits.height
        height = young * (1 - self._age) + old * self._age
        power = 2.1 + 0.5 * self._age
        top = height * (1 - rho**power) ** (0.62 + 0.2 * self._age)
        top += traits.umbo * np.exp(-((rho / 0.2) ** 2))
        top -= traits.depression * self._age * np.exp(-((rho / 0.42) ** 2))
        return floats(top + 0.12 * max(0.0, self._age - 0.7) * rho**6)

    def _under_height(self, rho: Floats) -> Floats:
        flesh = self._traits.flesh * (1 - rho**1.6) + 0.05
        ceiling = self._top_height(rho) - flesh
        rim = float(self._top_height(floats([1.0]))[0]) - 0.05
        sag = 0.45 + 0.25 * self._age
        height = rim * sag + ceiling * (1 - sag)
        return floats(np.minimum(height, ceiling) - self._traits.decurrent * (1 - rho) ** 2)

    def points(self, density: float) -> list[Points]:
        top = np.stack([self._rho, self._top], axis=1) * self._radius
        rim = np.array([[1.012, self._top[-1] - 0.02], [1.0, self._top[-1] - 0.045]]) * self._radius
        upper = self._uneven(revolve(np.concatenate([top, rim])[::-1], density))
        lower = self._uneven(revolve(self._under[::-1], density))
        return [self._upper(upper), self._lower(lower)]

    def _uneven(self, surface: Revolution) -> Revolution:
        share = surface.radius / self._radius
        swing = np.cos(self._lobes * surface.angle + self._phase[0])
        swing += 0.6 * np.cos((self._lobes + 2) * surface.angle + self._phase[1])
        surface.position[1] += self._wave * self._radius * share**3 * swing
        wide = 1 + 0.03 * share * np.cos(3 * surface.angle + self._phase[2]) + 0.35 * self._wave * share * swing
        surface.position[0] *= wide
        surface.position[2] *= wide
        return surface

    def _upper(self, surface: Revolution) -> Points:
        scale = np.sqrt(1 / max(np.pi * self._radius**2, 1e-6) * len(surface.angle))
        colours, relief = cap_texture(self._traits, self._age, int(np.clip(scale, 40, 300)), self._rng)
        share = 1 - surface.along
        x, z = share * np.cos(surface.angle), share * np.sin(surface.angle)
        colour, bump = look_up(colours, relief, x, z)
        outward = surface.normal.copy()
        surface.normal[0] -= bump[0]
        surface.normal[2] -= bump[1]
        light = np.ones(len(x), np.float32)
        return Points(
            surface.position, normalize(surface.normal), colour, light, gloss=self._traits.gloss, outward=outward
        )

    def _lower(self, surface: Revolution) -> Points:
        share = surface.radius / self._radius
        if self._traits.hymenium == "gills":
            pattern, slope = _gills(surface, share, int(self._rng.integers(26, 38)))
        else:
            pattern, slope = _pores(surface, self._radius), None
        value = (1 - 0.12 * self._age) * (0.42 + 0.58 * pattern)
        value *= 1 + 0.06 * at(surface.position[0] * 60, surface.position[2] * 60)
        colour = toned(self._traits.hymenium_colour, value)
        outward = surface.normal.copy()
        if slope is not None:
            surface.normal[0] -= slope * np.sin(surface.angle)
            surface.normal[2] += slope * np.cos(surface.angle)
        light = 0.45 + 0.45 * share**2
        # A wavy rim may lift: then what faces away by its mean shape is seen all the same.
        return Points(surface.position, surface.normal, colour, floats(light), two_sided=True, outward=outward)


def _gills(surface: Revolution, share: Floats, count: int) -> tuple[Floats, Floats]:
    """Return how far each point lies out on a gill's edge (1) or between two (0), and the slope across it."""
    wander = at(surface.angle * 40, share * 25) * 0.12
    turn = surface.angle / floats(2 * np.pi)
    phase = turn * (2 * count) + wander
    # Short gills between the long ones, from the margin halfway in.
    full = smoothstep(share, 0.45, 0.6)
    narrow = np.cos(2 * np.pi * phase * 2) * full
    wide = np.cos(2 * np.pi * phase) * (1 - 0.6 * full)
    pattern = np.clip(0.55 + 0.45 * (wide + narrow), 0, 1)
    slope = np.sin(2 * np.pi * phase * (1 + (full > 0.5))) * 0.5
    return pattern.astype(np.float32), slope.astype(np.float32)


def _pores(surface: Revolution, radius: float) -> Floats:
    fine = 150 / radius
    holes = at(surface.position[0] * fine, surface.position[2] * fine, exponent=0.7)
    return floats(0.85 - 0.5 * smoothstep(holes, 0.2, 1.4))


def _stem(
    traits: Agaric, length: float, thick: float, bend: Floats, radius: float, density: float, rng: np.random.Generator
) -> Points:
    t = np.linspace(0, 1, 30)
    width = thick * (1 + 0.18 * (1 - t) + 0.25 * t**10)
    width += thick * 1.1 * traits.bulb * np.exp(-(((t - 0.06) / 0.16) ** 2))
    # The base is rounded off: a picked stem shows it.
    width *= np.sqrt(np.clip(t / (0.07 + 0.12 * max(traits.bulb, 0)), 0, 1))
    profile = np.stack([width, t * (length + _BURIED + 0.05) - _BURIED], axis=1)
    surface = revolve(profile, density)
    outward = surface.normal.copy()
    up = np.clip(surface.height / length, 0, 1)
    angle, seed = surface.angle, float(rng.uniform(0, 500))
    colour = _mix(traits.stem_base, traits.stem, smoothstep(up + 0.12 * at(angle * 30, up * 90 + seed), 0.02, 0.65))
    soil = smoothstep(surface.height + 0.03 * at(angle * 40, surface.radius * 300), 0.04, -_BURIED * 0.6)
    colour += (floats(_SOIL)[:, None] * (1 + 0.2 * at(angle * 60, surface.radius * 400)) - colour) * soil * 0.8
    fibres = at(angle * 60 + seed, up * 14, exponent=1.0)
    colour *= 1 + 0.09 * fibres
    if traits.net > 0:
        mesh = np.cos(angle * 9 + up * 26) * np.cos(angle * 9 - up * 26)
        colour *= 1 - traits.net * smoothstep(mesh, 0.0, 0.5) * smoothstep(up, 0.2, 0.9)
    surface.normal[0] += 0.16 * fibres * -np.sin(angle)
    surface.normal[2] += 0.16 * fibres * np.cos(angle)
    light = (0.35 + 0.65 * smoothstep(1 - up, 0.0, 0.45 * radius / length)) * (0.5 + 0.5 * smoothstep(up, -0.02, 0.2))
    position = _bent(surface.position, length, bend)
    return Points(position, surface.normal, colour, light.astype(np.float32), outward=outward)


def _ring(
    traits: Agaric, length: float, thick: float, bend: Floats, density: float, rng: np.random.Generator
) -> Points:
    t = np.linspace(0, 1, 12)
    profile = np.stack([thick * (1.05 + 1.0 * t**1.4), length * 0.74 - 0.26 * t**0.8 * (0.6 + thick)], axis=1)
    surface = revolve(profile, density * 1.3)
    ragged = 0.05 * np.cos(7 * surface.angle + rng.uniform(0, 6)) + 0.04 * at(surface.angle * 50, surface.along * 9)
    surface.position[1] += ragged * surface.along
    folds = np.cos(surface.angle * 26)
    surface.normal[0] += 0.3 * folds * -np.sin(surface.angle)
    surface.normal[2] += 0.3 * folds * np.cos(surface.angle)
    colour = toned(traits.wart_colour, 0.93 + 0.06 * folds)
    light = np.full(len(ragged), 0.75, np.float32)
    return Points(_bent(surface.position, length, bend), surface.normal, colour, light, two_sided=True)


def _volva(traits: Agaric, thick: float, density: float, rng: np.random.Generator) -> Points:
    t = np.linspace(0, 1, 14)
    profile = np.stack(
        [thick * (1.4 + 0.9 * np.sin(t * 2.6)) * np.sqrt(np.clip(t / 0.1, 0, 1)), -_BURIED - 0.02 + 0.45 * t], axis=1
    )
    surface = revolve(profile, density * 1.2)
    angle = surface.angle
    rim = 0.7 + 0.12 * np.cos(3 * angle + rng.uniform(0, 6)) + 0.06 * at(angle * 40, angle * 0)
    colour = toned(traits.wart_colour, 0.9 + 0.08 * at(angle * 50, surface.along * 80))
    light = 0.45 + 0.5 * surface.along
    whole = Points(surface.position, surface.normal, colour, light.astype(np.float32), two_sided=True)
    return whole.keep(surface.along < rim)


def _bent(position: Floats, length: float, bend: Floats) -> Floats:
    share = np.clip(position[1] / length, 0, 1.2) ** 2
    position[0] += floats(bend[0]) * share
    position[2] += floats(bend[1]) * share
    return position


def _mix(first: tuple[int, int, int], second: tuple[int, int, int], share: Floats) -> Floats:
    low, high = floats(first)[:, None] / 255, floats(second)[:, None] / 255
    return floats(low + (high - low) * share)
