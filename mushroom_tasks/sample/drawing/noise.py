"""Fractal noise: the unevenness of everything that grows.

Tiles are made once per process and sampled by every drawing, at a random place.

    field(rng, (375, 500), feature=40)      # float32, mean about 0, standard deviation about 1
"""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image

from mushroom_tasks.sample.drawing.floats import Floats, floats

TILE = 512


@cache
def tile(exponent: float) -> Floats:
    """Return a tile of 1/f**exponent noise, (512, 512), that continues at its edges; do not write into it."""
    rng = np.random.default_rng([TILE, round(exponent * 100)])
    frequency = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None, :])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((TILE, TILE))) * frequency**-exponent
    noise = np.fft.irfft2(spectrum, s=(TILE, TILE))
    return floats(noise / noise.std())


def field(rng: np.random.Generator, shape: tuple[int, int], *, feature: float = 8.0, exponent: float = 1.5) -> Floats:
    """Return noise of `shape` (rows, columns) whose coarsest lumps are some `feature` pixels wide."""
    rows, columns = shape
    # The tile's coarsest lumps are about a sixth of its side.
    step = max(feature * 6 / TILE, 1e-3)
    height, width = (min(TILE, max(2, round(side / step))) for side in shape)
    top, left = (int(n) for n in rng.integers(TILE, size=2))
    part = np.take(
        np.take(tile(exponent), range(top, top + height), 0, mode="wrap"), range(left, left + width), 1, mode="wrap"
    )
    image = Image.fromarray(part).resize((columns, rows), Image.Resampling.BICUBIC)
    return floats(image)


def at(x: Floats, y: Floats, *, exponent: float = 1.5) -> Floats:
    """Return noise at given places, in pixels of the tile."""
    return tile(exponent)[y.astype(np.int32) % TILE, x.astype(np.int32) % TILE]


def smoothstep(x: Floats, low: float, high: float) -> Floats:
    """Return 0 below `low`, 1 above `high`, and a smooth passage between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return floats(t * t * (3 - 2 * t))
