"""From points to pixels: a camera, a light, and soft shadows.

view = View(elevation=0.3, scale=90.0, centre=(250, 300), size=(500, 375))
layer = render(points, view, light)         # RGBA image
shadow = plane_shadow(points, view, light)  # "L" image, 255 where all light is blocked
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mushroom_tasks.sample.drawing.floats import Floats, floats
from mushroom_tasks.sample.drawing.points import Points, along_axis

SUPERSAMPLE = 1.5
# Points per supersampled pixel of a surface that faces the viewer: fewer leave holes, more cost time.
DENSITY = 1.35
# Many thin branches hide each other: beyond this number of points more are not seen.
MOST_POINTS = 300_000
_SHADOW_SCALE = 4
_ALPHA_GAIN = 1.5  # closes what holes are left; silhouettes gain a third of a pixel


@dataclass(frozen=True)
class View:
    """A camera that looks down by `elevation` radians (negative: up); `scale` is pixels per unit at the centre."""

    elevation: float
    scale: float
    centre: tuple[float, float]
    size: tuple[int, int]
    perspective: float = 0.04
    supersample: float = SUPERSAMPLE

    @property
    def towards(self) -> Floats:
        """The unit vector towards the camera."""
        return floats([0, np.sin(self.elevation), np.cos(self.elevation)])

    @property
    def density(self) -> float:
        """Points per unit of area that this view needs."""
        return DENSITY * (self.scale * self.supersample) ** 2

    def project(self, position: Floats) -> tuple[Floats, Floats, Floats]:
        """Return x and y in pixels and the nearness in units, each (N,), of positions (3, N)."""
        sine, cosine = floats(np.sin(self.elevation)), floats(np.cos(self.elevation))
        x, y, z = position
        near = z * cosine + y * sine
        zoom = floats(self.scale) / (1 - near * floats(self.perspective))
        across = floats(self.centre[0]) + x * zoom
        down = floats(self.centre[1]) - (y * cosine - z * sine) * zoom
        return across, down, near


@dataclass(frozen=True)
class Light:
    """A sun or a bright part of the sky, and what comes from everywhere else. Colours are RGB, about 0..1.3."""

    towards: Floats
    key: Floats
    sky: Floats
    bounce: Floats

    def shade(self, points: Points, view: View) -> Floats:
        """Return the RGB that reaches the camera from each point, (3, N)."""
        normal = points.normal
        facing = along_axis(self.towards, normal)
        key = np.clip((facing + 0.22) / 1.22, 0, 1) * (0.35 + 0.65 * points.open_light)
        up = 0.5 + 0.5 * normal[1]
        sky, bounce, sun = self.sky[:, None], self.bounce[:, None], self.key[:, None]
        up = up * points.open_light
        colour = points.colour * (sun * key + sky * up + bounce * (points.open_light - up))
        if points.gloss > 0:
            half = self.towards + view.towards
            half /= np.linalg.norm(half)
            shine = np.clip(along_axis(half, normal), 0, 1) ** 24 * points.gloss
            colour += sun * 0.8 * (shine * points.open_light)
        return floats(colour)


def render(bodies: Sequence[Points], view: View, light: Light) -> Image.Image:
    """Return the points as an RGBA image of the view's size, nearest on top, antialiased."""
    width, height = (round(side * view.supersample) for side in view.size)
    pixels, nearness, colours = [], [], []
    for points in bodies:
        across, down, near = view.project(points.position)
        column, row = (across * view.supersample).astype(np.int32), (down * view.supersample).astype(np.int32)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        visible = _turn_to_viewer(points, view) & inside
        seen = points.keep(visible)
        pixels.append((row * width + column)[visible])
        nearness.append(near[visible])
        colours.append(_pack(light.shade(seen, view)))
    canvas = np.zeros(width * height, np.uint32)
    order = _back_to_front(np.concatenate(nearness))
    # Where an index repeats, the last, that is the nearest, stays.
    canvas[np.concatenate(pixels)[order]] = np.concatenate(colours)[order]
    image = Image.fromarray(canvas.view(np.uint8).reshape(height, width, 4), "RGBA")
    image = image.resize(view.size, Image.Resampling.HAMMING)
    image.putalpha(image.getchannel("A").point(lambda alpha: min(255, int(alpha * _ALPHA_GAIN))))
    return image


def _turn_to_viewer(points: Points, view: View) -> NDArray[np.bool_]:
    """Return which points are not on the far side; the inside of a two-sided surface is turned to the viewer."""
    facing = along_axis(view.towards, points.normal if points.outward is None else points.outward)
    if not points.two_sided:
        return np.asarray(facing > -0.02)
    points.normal *= np.where(facing < 0, floats(-1), floats(1))
    return np.ones(len(facing), bool)


def _back_to_front(near: Floats) -> NDArray[np.intp]:
    if not len(near):
        return np.zeros(0, np.intp)
    low, high = near.min(), near.max()
    # numpy sorts 16-bit integers by radix: ten times as fast as floats.
    steps = ((near - low) * (65535 / max(high - low, 1e-6))).astype(np.uint16)
    return np.argsort(steps, kind="stable")


def _pack(colour: Floats) -> NDArray[np.uint32]:
    channels = (np.clip(colour, 0, 1) * 255).astype(np.uint32)
    red, green, blue = channels
    return np.asarray(red | (green << 8) | (blue << 16) | np.uint32(0xFF000000), dtype=np.uint32)


def plane_shadow(
    bodies: Sequence[Points], view: View, light: Light, *, wall: bool = False, softness: float = 0.1
) -> Image.Image:
    """Return the shadow that bodies cast on the ground (y = 0), or on a wall (z = 0), as an "L" image."""
    axis = 2 if wall else 1
    width, height = (side // _SHADOW_SCALE + 1 for side in view.size)
    count = np.zeros(width * height, np.float32)
    for points in bodies:
        every = max(1, points.position.shape[1] // 20000)
        position = points.position[:, ::every]
        away = np.maximum(position[axis], 0) / max(float(light.towards[axis]), 0.25)
        fallen = position - away * light.towards[:, None]
        fallen[axis] = 0
        across, down, _ = view.project(fallen)
        column, row = (across / _SHADOW_SCALE).astype(np.int32), (down / _SHADOW_SCALE).astype(np.int32)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        count += np.bincount((row * width + column)[inside], minlength=width * height) > 0
    mask = Image.fromarray((np.clip(count, 0, 1) * 255).astype(np.uint8).reshape(height, width), "L")
    mask = mask.filter(ImageFilter.MaxFilter(3))
    mask = mask.filter(ImageFilter.GaussianBlur(max(1.2, view.scale * softness / _SHADOW_SCALE)))
    full = mask.resize((width * _SHADOW_SCALE, height * _SHADOW_SCALE), Image.Resampling.BICUBIC)
    return full.crop((0, 0, *view.size))
