"""One photo of a species: fruit bodies, ground, light and camera put together.

    image = draw_fungus(recipe, np.random.default_rng(7))      # RGB, at most 500 pixels wide and high
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops

from mushroom_tasks.sample.drawing.bodies import build
from mushroom_tasks.sample.drawing.camera import photograph
from mushroom_tasks.sample.drawing.ground import Ground
from mushroom_tasks.sample.drawing.placing import Placed, arrange
from mushroom_tasks.sample.drawing.points import Floats, Points
from mushroom_tasks.sample.drawing.raster import Light, View, plane_shadow, render
from mushroom_tasks.sample.drawing.recipe import Recipe
