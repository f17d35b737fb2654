"""Builds a fruit body of any form from its traits.

build(recipe.body, age=0.6, density=4000.0, rng=np.random.default_rng(3))
"""

from __future__ import annotations

import numpy as np

from mushroom_tasks.sample.drawing.agaric import agaric
from mushroom_tasks.sample.drawing.coral import coral
from mushroom_tasks.sample.drawing.cups import cup, morel
from mushroom_tasks.sample.drawing.points import Points
from mushroom_tasks.sample.drawing.recipe import Agaric, Body, Bracket, Coral, Cup, Morel
from mushroom_tasks.sample.drawing.shelf import bracket, teeth


def build(body: Body, age: float, density: float, rng: np.random.Generator) -> list[Points]:
    """Return the points of a fruit body, about 1 in radius.

    `age` runs from 0 to 1; `density` is the number of points per unit of area. The same generator state gives the
    same fruit body at any density.
    """
    match body:
        case Agaric():
            return agaric(body, age, density, rng)
        case Bracket():
            return bracket(body, age, density, rng)
        case Morel():
            return morel(body, age, density, rng)
        case Coral():
            return coral(body, age, density, rng)
        case Cup():
            return cup(body, age, density, rng)
        case _:
            return teeth(body, age, density, rng)
