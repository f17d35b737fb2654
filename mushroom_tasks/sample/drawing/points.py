"""Surfaces as evenly spread points, with normals and colours.

A fruit body is a list of `Points`; whoever looks at it from wherever, and however it is bent, the same code draws it.
Lengths are in units of the fruit body (a cap's radius is about 1), y points up, z towards the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


@dataclass
class Points:
    """N points of one surface.

    `position`, `normal`, `colour` (0..1) are float32 of shape (N, 3); `open_light`, (N,), is the share of the sky
    that reaches a point; `gloss` the strength of its highlight. Of a `two_sided` surface (a skirt, a cup) the
    inside is seen too.
    """

    position: Floats
    normal: Floats
    colour: Floats
    open_light: Floats
    gloss: float = 0.0
    two_sided: bool = False

    def keep(self, mask: NDArray[np.bool_]) -> Points:
        """Return the points where `mask` holds."""
        return Points(
            self.position[mask],
            self.normal[mask],
            self.colour[mask],
            self.open_light[mask],
            self.gloss,
            self.two_sided,
        )

    def turned(self, rotation: Floats, about: Floats | None = None) -> Points:
        """Return the points rotated by a (3, 3) matrix, about a point (default: the origin)."""
        centre = np.zeros(3, np.float32) if about is None else about
        position = (self.position - centre) @ rotation.T + centre
        return Points(position, self.normal @ rotation.T, self.colour, self.open_light, self.gloss, self.two_sided)

    def moved(self, offset: tuple[float, float, float]) -> Points:
        """Return the points shifted."""
        position = self.position + np.asarray(offset, np.float32)
        return Points(position, self.normal, self.colour, self.open_light, self.gloss, self.two_sided)


@dataclass
class Revolution:
    """Points of a surface of revolution about the y axis: angle, place along the profile (0..1), radius, height."""

    angle: Floats
    along: Floats
    radius: Floats
    height: Floats
    position: Floats
    normal: Floats


def revolve(profile: Floats, density: float) -> Revolution:
    """Return points of the surface that a profile sweeps, `density` of them per unit of area.

    Parameters
    ----------
    profile
        (K, 2): radius and height, in the order that puts the outside to the left (from the base upwards).

    Notes
    -----
    The points lie on a spiral of golden angles, evenly by area: no seams, no moiré, no point wasted at the poles.
    """
    step = np.diff(profile, axis=0)
    length = np.hypot(step[:, 0], step[:, 1])
    area = np.concatenate([[0], np.cumsum(np.pi * (profile[1:, 0] + profile[:-1, 0]) * length)])
    count = max(16, int(area[-1] * density))
    number = np.arange(count, dtype=np.float32)
    at = np.interp((number + 0.5) / count * area[-1], area, np.arange(len(profile))).astype(np.float32)
    knots = np.arange(len(profile))
    radius = np.interp(at, knots, profile[:, 0]).astype(np.float32)
    height = np.interp(at, knots, profile[:, 1]).astype(np.float32)
    tangent = np.gradient(profile, axis=0)
    tangent /= np.maximum(np.hypot(tangent[:, :1], tangent[:, 1:]), 1e-9)
    outward = np.interp(at, knots, tangent[:, 1]).astype(np.float32)
    upward = np.interp(at, knots, -tangent[:, 0]).astype(np.float32)
    angle = (np.arange(count) * _GOLDEN_ANGLE % (2 * np.pi)).astype(np.float32)
    cosine, sine = np.cos(angle), np.sin(angle)
    position = np.stack([radius * cosine, height, radius * sine], axis=1)
    normal = np.stack([outward * cosine, upward, outward * sine], axis=1)
    return Revolution(angle, at / np.float32(len(profile) - 1), radius, height, position, normal)


def tubes(starts: Floats, ends: Floats, radii: Floats, density: float) -> tuple[NDArray[np.intp], Floats, Floats, Floats]:
    """Return points on S tapered tubes: which tube, place along it (0..1), position, normal.

    `starts` and `ends` are (S, 3), `radii` (S, 2) at start and end. Ends are rounded off.
    """
    axis = ends - starts
    length = np.linalg.norm(axis, axis=1).astype(np.float32)
    axis = axis / np.maximum(length, 1e-6)[:, None]
    counts = np.maximum(8, np.pi * radii.sum(axis=1) * (length + radii.sum(axis=1) / 2) * density).astype(int)
    which = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    along = ((within + 0.5) / counts[which]).astype(np.float32)
    angle = (within * _GOLDEN_ANGLE % (2 * np.pi)).astype(np.float32)
    aside = np.where(np.abs(axis[:, 1:2]) < 0.9, np.float32([[0, 1, 0]]), np.float32([[1, 0, 0]]))
    first = np.cross(axis, aside)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(axis, first)
    radius = radii[which, 0] * (1 - along) + radii[which, 1] * along
    # The last bit of a tube closes like a fingertip.
    close = np.clip((along - 1) * length[which] / np.maximum(radii[which, 1], 1e-4) + 1, 0, 1)
    radius = radius * np.sqrt(1 - close**2 * 0.98)
    side = first[which] * np.cos(angle)[:, None] + second[which] * np.sin(angle)[:, None]
    position = starts[which] + axis[which] * (along * length[which])[:, None] + side * radius[:, None]
    normal = side * np.sqrt(1 - close**2)[:, None] + axis[which] * close[:, None]
    return which, along, position.astype(np.float32), normal.astype(np.float32)


def rotation_between(origin: Floats, target: Floats) -> Floats:
    """Return the (3, 3) rotation that turns one unit vector into another."""
    cross, cosine = np.cross(origin, target), float(origin @ target)
    if cosine < -0.9999:
        return np.diag([1, -1, -1]).astype(np.float32)
    x, y, z = cross
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + skew + skew @ skew / (1 + cosine), dtype=np.float32)


def direction(tilt: float, heading: float) -> Floats:
    """Return the unit vector that leans from upright by `tilt` towards `heading`, both in radians."""
    return np.float32([np.sin(tilt) * np.cos(heading), np.cos(tilt), np.sin(tilt) * np.sin(heading)])
