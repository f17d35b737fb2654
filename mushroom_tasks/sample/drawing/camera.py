"""What a camera does to a scene: focus, exposure, white balance, contrast, vignette, noise.

photo = photograph(scene, rng)
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from mushroom_tasks.sample.drawing.floats import Floats, floats


def photograph(scene: Image.Image, rng: np.random.Generator, *, blur: float | None = None) -> Image.Image:
    """Return the scene as some phone took it; `blur` is the radius in pixels, None for a usual one."""
    radius = abs(rng.normal(0, 0.55)) if blur is None else blur
    if radius > 0.25:
        scene = scene.filter(ImageFilter.GaussianBlur(radius))
    if blur is None and rng.random() < 0.3:
        scene = scene.filter(ImageFilter.UnsharpMask(1.2, int(rng.integers(40, 110)), 2))
    pixels: Floats = floats(scene) / 255
    pixels = pixels * _white_balance(rng) * floats(np.exp(rng.normal(0.08, 0.17)))
    pixels = _contrast(pixels, rng)
    pixels *= _vignette(scene.size, rng)[..., None]
    grain = rng.standard_normal(pixels.shape, dtype=np.float32)
    pixels += grain * floats(abs(rng.normal(0.006, 0.009)))
    return Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8), "RGB")


def _white_balance(rng: np.random.Generator) -> Floats:
    warmth, tint = rng.normal(0, 0.055), rng.normal(0, 0.025)
    return floats([1 + warmth, 1 + tint, 1 - warmth])


def _contrast(pixels: Floats, rng: np.random.Generator) -> Floats:
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * floats(rng.uniform(0.72, 1.12))
    strength = floats(rng.uniform(0.85, 1.2))
    return floats((pixels - 0.42) * strength + 0.42 + floats(rng.normal(0, 0.025)))


def _vignette(size: tuple[int, int], rng: np.random.Generator) -> Floats:
    x = np.linspace(-1, 1, size[0], dtype=np.float32)
    y = np.linspace(-1, 1, size[1], dtype=np.float32)
    return floats(1 - floats(rng.uniform(0, 0.22)) * (x[None, :] ** 2 + y[:, None] ** 2) / 2)
