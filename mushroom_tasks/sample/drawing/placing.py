"""How fruit bodies stand together, and from where they are looked at.

scene = arrange(recipe, rng)
scene.bodies(density=300.0)      # all points, in place
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mushroom_tasks.sample.drawing.bodies import build
from mushroom_tasks.sample.drawing.floats import Floats, floats
from mushroom_tasks.sample.drawing.points import Points, direction, rotation_between
from mushroom_tasks.sample.drawing.recipe import Agaric, Bracket, Cup, Recipe, Teeth

_UP = floats([0, 1, 0])
_VIEWS = ("side", "oblique", "top", "underside")
# How often people choose each view.
_SHARES = {"agaric": (0.42, 0.28, 0.14, 0.16), "other": (0.45, 0.4, 0.15, 0.0), "flat": (0.15, 0.5, 0.35, 0.0)}
_ELEVATIONS = {"side": (0.08, 0.4), "oblique": (0.45, 0.85), "top": (1.0, 1.45), "underside": (0.6, 1.3)}


@dataclass(frozen=True)
class Placed:
    """One fruit body: built from its own seed, turned about its base, then moved."""

    seed: int
    age: float
    size: float
    rotation: Floats
    offset: tuple[float, float, float]
    tint: Floats


@dataclass(frozen=True)
class Arrangement:
    """The fruit bodies of one photo, and the camera's elevation in radians."""

    recipe: Recipe
    placed: tuple[Placed, ...]
    elevation: float
    on_wall: bool
    lying: bool

    def bodies(self, density: float) -> list[list[Points]]:
        """Return the points of each fruit body, `density` of them per unit of area."""
        return [self._body(one, density) for one in self.placed]

    def _body(self, one: Placed, density: float) -> list[Points]:
        parts = build(self.recipe.body, one.age, density * one.size**2, np.random.default_rng(one.seed))
        for part in parts:
            part.position *= floats(one.size)
            part.colour *= one.tint[:, None]
        parts = [part.turned(one.rotation) for part in parts]
        x, y, z = one.offset
        if self.lying:
            y -= min(float(part.position[1].min()) for part in parts) + 0.05
        return [part.moved((x, y, z)) for part in parts]


def arrange(recipe: Recipe, rng: np.random.Generator) -> Arrangement:
    """Return how many fruit bodies there are, where and how old, and the angle of view."""
    on_wall = isinstance(recipe.body, (Bracket, Teeth))
    kind = "agaric" if isinstance(recipe.body, Agaric) else "flat" if isinstance(recipe.body, Cup) else "other"
    view = str(rng.choice(_VIEWS, p=_SHARES[kind]))
    elevation = rng.uniform(*_ELEVATIONS[view])
    if on_wall:
        elevation = rng.uniform(-0.35, 0.75)
    count = 1 + int(rng.binomial(max(recipe.group - 1, 0), rng.uniform(0.15, 0.95)))
    lying = view == "underside" and not on_wall
    if lying:
        count = min(count, 2)
    age = float(rng.beta(2.2, 1.6))
    tint = rng.normal(1, recipe.variation / 255, 3) * rng.normal(1, recipe.variation / 130)
    spots = _wall_spots(count, rng) if on_wall else _spots(recipe, count, rng)
    placed = [
        Placed(
            seed=int(rng.integers(2**31)),
            age=float(np.clip(age + rng.normal(0, 0.17), 0.03, 1.0)) if number else age,
            size=1.0 if number == 0 else float(rng.uniform(0.6, 1.05)),
            rotation=_pose(recipe, lying, elevation, spot, on_wall, rng),
            offset=spot,
            tint=floats(tint * rng.normal(1, 0.03, 3)),
        )
        for number, spot in enumerate(spots)
    ]
    return Arrangement(recipe, tuple(placed), elevation, on_wall, lying)


def _spots(recipe: Recipe, count: int, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Return places on the ground, the first at the origin, none on another's."""
    apart = 0.55 if recipe.tuft else 1.6
    spots = [(0.0, 0.0, 0.0)]
    for _ in range(200):
        if len(spots) >= count:
            break
        reach = apart * (0.7 + 0.6 * np.sqrt(len(spots)))
        x, z = rng.uniform(-reach, reach) * 1.25, rng.uniform(-reach, reach * 0.7)
        if all(np.hypot(x - other[0], z - other[2]) > apart for other in spots):
            spots.append((float(x), 0.0, float(z)))
    return spots


def _wall_spots(count: int, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Return places on a trunk, in tiers."""
    spots = [(0.0, 0.0, 0.0)]
    for number in range(1, count):
        side = 1 if number % 2 else -1
        x = side * rng.uniform(0.5, 1.5) * (1 if number > 1 else 0.7)
        spots.append(
            (float(x), float(rng.uniform(0.4, 0.75) * ((number + 1) // 2) * (1 if number % 4 < 2 else -1)), 0.0)
        )
    return spots


def _pose(
    recipe: Recipe,
    lying: bool,
    elevation: float,
    spot: tuple[float, float, float],
    on_wall: bool,
    rng: np.random.Generator,
) -> Floats:
    if on_wall:
        return rotation_between(_UP, direction(rng.uniform(0, 0.16), np.pi / 2 + rng.normal(0, 0.6)))
    if lying:
        away = -floats([0, np.sin(elevation), np.cos(elevation)])
        away = away + floats([rng.normal(0, 0.5), 0, 0]) + rng.normal(0, 0.2, 3).astype(np.float32)
        return rotation_between(_UP, away / np.linalg.norm(away))
    lean = abs(rng.normal(0, 0.1))
    heading = rng.uniform(0, 2 * np.pi)
    if recipe.tuft:
        lean = 0.18 * float(np.hypot(spot[0], spot[2])) + 0.05
        heading = float(np.arctan2(spot[2], spot[0]))
    return rotation_between(_UP, direction(min(lean, 0.6), heading))
