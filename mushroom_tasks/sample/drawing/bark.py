"""Bark and cut wood that fills the frame behind what grows on it.

image = paint_bark((500, 375), scale=120.0, rng=rng)
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from mushroom_tasks.sample.drawing.floats import Floats, floats
from mushroom_tasks.sample.drawing.noise import field, smoothstep

_BARKS = ((120, 100, 80), (138, 124, 106), (98, 82, 66), (150, 140, 124), (124, 106, 80))
_MOSS = (118, 140, 62)
_LICHEN = (172, 180, 156)


def paint_bark(
    size: tuple[int, int], scale: float, rng: np.random.Generator, *, upright: bool | None = None
) -> Image.Image:
    """Return bark seen from `scale` pixels per cap radius: furrows, moss, lichen; standing or fallen (None: either)."""
    if upright is None:
        upright = bool(rng.random() < 0.65)
    width, height = size if upright else size[::-1]
    feature = float(np.clip(scale * 0.3, 12, 60))
    relief = _furrows(width, height, feature, rng)
    base = floats(_BARKS[int(rng.integers(len(_BARKS)))]) * floats(rng.uniform(0.8, 1.15))
    slope = np.gradient(relief, axis=1) * rng.choice([-1, 1])
    value = np.clip(0.62 + 0.45 * smoothstep(relief, -1.3, 0.7) + 0.9 * slope, 0.15, 1.7)
    value += 0.06 * field(rng, (height, width), feature=5, exponent=0.7)
    colour = base * value[..., None]
    moss = smoothstep(field(rng, (height, width), feature=70) + 0.3 * relief, *_cover(rng, 0.4, 2.2))
    grain = 1 + 0.25 * field(rng, (height, width), feature=6, exponent=0.8)
    colour = colour + (floats(_MOSS) * (grain * value)[..., None] - colour) * moss[..., None] * 0.85
    lichen = smoothstep(field(rng, (height, width), feature=34, exponent=1.7), *_cover(rng, 1.0, 2.5))
    colour = colour + (floats(_LICHEN) * value[..., None] - colour) * lichen[..., None] * 0.7
    # A trunk is round: its sides turn away from the light.
    across = np.linspace(-1, 1, width, dtype=np.float32) + floats(rng.uniform(-0.4, 0.4))
    colour *= (1.08 - 0.45 * np.abs(across) ** 2.5)[None, :, None]
    image = Image.fromarray(np.clip(colour, 0, 255).astype(np.uint8), "RGB")
    image = image if upright else image.transpose(Image.Transpose.ROTATE_90)
    return image.filter(ImageFilter.GaussianBlur(abs(rng.normal(0, 0.9))))


def _furrows(width: int, height: int, feature: float, rng: np.random.Generator) -> Floats:
    """Return noise stretched along the trunk."""
    stretch = int(rng.integers(3, 7))
    coarse = field(rng, (height // stretch + 1, width), feature=feature, exponent=1.3)
    fine = field(rng, (height // stretch + 1, width), feature=feature / 4, exponent=0.9)
    both = Image.fromarray(coarse + 0.35 * fine).resize((width, height), Image.Resampling.BICUBIC)
    return floats(both)


def _cover(rng: np.random.Generator, low: float, high: float) -> tuple[float, float]:
    start = float(rng.uniform(low, high))
    return start, start + 0.5
