"""What covers a cap, painted on a disc: colour from centre to margin, fibres, scales, zones, warts, dirt.

colours, relief = cap_texture(traits, age=0.5, side=256, rng=rng)
colour, bump = look_up(colours, relief, x, z)       # x, z within the unit circle
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from mushroom_tasks.sample.drawing.floats import Floats, floats
from mushroom_tasks.sample.drawing.noise import field, smoothstep
from mushroom_tasks.sample.drawing.recipe import Agaric


def cap_texture(traits: Agaric, age: float, side: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return colours (side, side, 3), 0..1, and the relief's slopes (side, side, 2) of one cap."""
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    rho = np.hypot(axis[None, :], axis[:, None])
    lumps = field(rng, (side, side), feature=side / 3)
    share = smoothstep(rho + 0.08 * lumps, 0.1, 0.95)
    centre, margin = floats(traits.cap) / 255, floats(traits.margin) / 255
    value, relief = _surface(traits, age, rho, lumps, rng)
    value = value + _fibres(side, traits, rng)
    colours: Floats = (centre + (margin - centre) * share[..., None]) * value[..., None]
    if traits.warts:
        colours, relief = _warts(colours, relief, traits, age, rng)
    colours = _dirt(colours, rng)
    down, across = np.gradient(floats(relief))
    slope = np.stack([across, down], axis=-1) * (side / 6)
    return floats(np.clip(colours, 0, 1)), floats(slope)


def _surface(traits: Agaric, age: float, rho: Floats, lumps: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return brightness and relief (side, side) of zones, furrows and scales."""
    side = len(rho)
    fine = field(rng, (side, side), feature=side / 16, exponent=1.0)
    value: Floats = 1 + 0.05 * lumps + 0.03 * fine - 0.08 * age * smoothstep(rho, 0.85, 1.0)
    relief: Floats = 0.006 * side / 100 * fine + 0.02 * lumps
    if traits.zones:
        rings = np.sin(rho * 26 + 1.3 * lumps + rng.uniform(0, 6))
        value = value + traits.zones * 0.2 * rings * smoothstep(rho, 0.1, 0.4)
    if traits.striate:
        axis = np.linspace(-1, 1, side, dtype=np.float32)
        angle = np.arctan2(axis[:, None], axis[None, :])
        stripes = np.cos(angle * 48 + 0.8 * lumps) * smoothstep(rho, 0.5, 0.85)
        value = value - traits.striate * 0.16 * stripes
        relief = relief + 0.02 * stripes * traits.striate
    if traits.scales:
        flakes = smoothstep(field(rng, (side, side), feature=side / 11, exponent=1.2) - rho * 0.6, 0.1, 0.7)
        value = value - traits.scales * 0.45 * flakes
        relief = relief + 0.03 * flakes
    return value, relief


def look_up(colours: Floats, relief: Floats, x: Floats, z: Floats) -> tuple[Floats, Floats]:
    """Return colours (3, N) and slopes (2, N) at places on the disc."""
    side = len(colours)
    column = np.clip((x + 1) * (side / 2), 0, side - 1).astype(np.int32)
    row = np.clip((z + 1) * (side / 2), 0, side - 1).astype(np.int32)
    place = row * side + column
    colour = np.stack([colours[..., channel].ravel()[place] for channel in range(3)])
    return colour, np.stack([relief[..., axis].ravel()[place] for axis in range(2)])


def _fibres(side: int, traits: Agaric, rng: np.random.Generator) -> Floats:
    """Fine lines from the centre outwards, darker and lighter than what they lie on."""
    image = Image.new("L", (side, side), 128)
    draw = ImageDraw.Draw(image)
    count = int(260 * min(1.0, traits.fibres * 3 + 0.15))
    angle = rng.uniform(0, 2 * np.pi, count)
    start, length = rng.uniform(0.02, 0.9, count), rng.uniform(0.1, 0.45, count)
    shade = rng.integers(70, 190, count).tolist()
    turn = angle + rng.normal(0, 0.05, count)
    half = side / 2
    ends = np.stack(
        [
            half + half * start * np.cos(angle),
            half + half * start * np.sin(angle),
            half + half * (start + length) * np.cos(turn),
            half + half * (start + length) * np.sin(turn),
        ],
        axis=1,
    ).tolist()
    for line, tone in zip(ends, shade, strict=True):
        draw.line(line, fill=tone, width=1)
    soft = floats(image.filter(ImageFilter.GaussianBlur(0.6)))
    return floats((soft - 128) / 128 * (0.15 + traits.fibres))


def _warts(
    colours: Floats, relief: Floats, traits: Agaric, age: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    side = len(colours)
    scale = 2
    image = Image.new("L", (side * scale, side * scale), 0)
    draw = ImageDraw.Draw(image)
    # Rain washes them off with age.
    count = max(3, int(traits.warts * rng.uniform(0.5, 1.1) * (1.15 - 0.4 * age)))
    number = np.arange(count) + 0.5
    rho = np.sqrt(number / count) * 0.95 + rng.normal(0, 0.03, count)
    angle = number * 2.39996 + rng.normal(0, 0.25, count)
    size = rng.uniform(0.028, 0.07, count) * (1.25 - 0.5 * age) * (1.15 - 0.5 * rho) * (40 / traits.warts) ** 0.3
    corners = 7
    around = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    spread = size[:, None] * rng.uniform(0.65, 1.25, (count, corners))
    x = rho[:, None] * np.cos(angle)[:, None] + spread * np.cos(around)
    y = rho[:, None] * np.sin(angle)[:, None] + spread * np.sin(around)
    outlines = ((np.stack([x, y], axis=-1) + 1) * (side * scale / 2)).reshape(count, -1).tolist()
    for outline in outlines:
        draw.polygon(outline, fill=255)
    small = image.resize((side, side), Image.Resampling.BOX)
    mask = floats(small.filter(ImageFilter.GaussianBlur(side / 400))) / 255
    halo = floats(small.filter(ImageFilter.GaussianBlur(side / 60))) / 255
    shade = 1 - 0.28 * np.clip(halo - mask, 0, 1)
    grain = 1 + 0.07 * field(rng, (side, side), feature=side / 24, exponent=0.8)
    cover = floats(traits.wart_colour) / 255 * grain[..., None]
    mixed = colours * shade[..., None] * (1 - mask[..., None]) + cover * mask[..., None]
    return mixed, relief + 0.085 * halo * (mask > 0.05)


def _dirt(colours: Floats, rng: np.random.Generator) -> Floats:
    """Specks of soil, and sometimes a slug's meal."""
    side = len(colours)
    image = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.poisson(7))):
        x, y = rng.uniform(0, side, 2)
        radius = rng.uniform(0.003, 0.012) * side
        draw.ellipse((x - radius, y - radius * 0.7, x + radius, y + radius * 0.7), fill=int(rng.integers(90, 220)))
    mask = floats(image.filter(ImageFilter.GaussianBlur(0.5)))[..., None] / 255
    soil = floats([0.24, 0.17, 0.11])
    colours = colours * (1 - mask) + soil * mask
    if rng.random() < 0.25:
        bite = smoothstep(field(rng, (side, side), feature=side / 4, exponent=2.0), 1.5, 1.7)[..., None] * 0.7
        colours = colours * (1 - bite) + floats([0.88, 0.84, 0.74]) * bite
    return floats(colours)
