"""Surfaces as evenly spread points, with normals and colours.

A fruit body is a list of `Points`; whoever looks at it from wherever, and however it is bent, the same code draws it.
Lengths are in units of the fruit body (a cap's radius is about 1), y points up, z towards the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.sample.drawing.floats import Floats, floats

_GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


@dataclass
class Points:
    """N points of one surface.

    `position`, `normal`, `colour` (0..1) are float32 of shape (3, N): whole rows are worked on, and rows lie
    together in memory. `open_light`, (N,), is the share of the sky that reaches a point; `gloss` the strength of its
    highlight. Of a `two_sided` surface (a skirt, a cup) the inside is seen too. `outward`, (3, N), is the direction
    of the surface itself where `normal` is roughened: it tells what faces away.
    """

    position: Floats
    normal: Floats
    colour: Floats
    open_light: Floats
    gloss: float = 0.0
    two_sided: bool = False
    outward: Floats | None = None

    def keep(self, mask: NDArray[np.bool_]) -> Points:
        """Return the points where `mask` holds."""
        index = np.flatnonzero(mask)
        position, normal, colour = (np.take(rows, index, axis=1) for rows in (self.position, self.normal, self.colour))
        outward = None if self.outward is None else np.take(self.outward, index, axis=1)
        return replace(
            self, position=position, normal=normal, colour=colour, open_light=self.open_light[index], outward=outward
        )

    def turned(self, rotation: Floats) -> Points:
        """Return the points rotated about the origin by a (3, 3) matrix."""
        outward = None if self.outward is None else rotate(rotation, self.outward)
        return replace(
            self, position=rotate(rotation, self.position), normal=rotate(rotation, self.normal), outward=outward
        )

    def moved(self, offset: tuple[float, float, float]) -> Points:
        """Return the points shifted."""
        return replace(self, position=self.position + floats(offset)[:, None])


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
    position = np.stack([radius * cosine, height, radius * sine])
    normal = np.stack([outward * cosine, upward, outward * sine])
    return Revolution(angle, at / floats(len(profile) - 1), radius, height, position, normal)


def tubes(
    starts: Floats, ends: Floats, radii: Floats, density: float, *, rounded: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.intp], Floats, Floats, Floats]:
    """Return points on S tapered tubes: which tube, place along it (0..1), position and normal (3, N).

    `starts` and `ends` are (S, 3), `radii` (S, 2) at start and end. Ends are rounded off, or only
    those of the tubes that `rounded` (S,) names.
    """
    axis = ends - starts
    length = np.linalg.norm(axis, axis=1).astype(np.float32)
    axis = axis / np.maximum(length, 1e-6)[:, None]
    counts = np.maximum(8, np.pi * radii.sum(axis=1) * (length + radii.sum(axis=1) / 2) * density).astype(int)
    which = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    along = ((within + 0.5) / counts[which]).astype(np.float32)
    angle = (within * _GOLDEN_ANGLE % (2 * np.pi)).astype(np.float32)
    aside = np.where(np.abs(axis[:, 1:2]) < 0.9, floats([[0, 1, 0]]), floats([[1, 0, 0]]))
    first = np.cross(axis, aside)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(axis, first)
    thick, thin = floats(radii.T)
    radius = thick[which] * (1 - along) + thin[which] * along
    # The last bit closes like a fingertip.
    close = np.clip((along - 1) * length[which] / np.maximum(thin[which], 1e-4) + 1, 0, 1)
    if rounded is not None:
        close = close * rounded[which]
    radius = radius * np.sqrt(1 - close**2 * 0.98)
    ahead, right, up, start = (np.take(floats(rows.T), which, axis=1) for rows in (axis, first, second, starts))
    side = right * np.cos(angle) + up * np.sin(angle)
    position = start + ahead * (along * length[which]) + side * radius
    normal = side * np.sqrt(1 - close**2) + ahead * close
    return which, along, position.astype(np.float32), normal.astype(np.float32)


def rotate(rotation: Floats, vectors: Floats) -> Floats:
    """Return (3, N) vectors turned by a (3, 3) matrix.

    Written out: BLAS is several times slower on matrices this thin, and its threads wait for each other.
    """
    x, y, z = vectors
    return np.stack([row[0] * x + row[1] * y + row[2] * z for row in rotation])


def along_axis(axis: Floats, vectors: Floats) -> Floats:
    """Return the scalar product, (N,), of a vector (3,) and vectors (3, N)."""
    return floats(axis[0] * vectors[0] + axis[1] * vectors[1] + axis[2] * vectors[2])


def toned(colour: tuple[int, int, int], value: Floats) -> Floats:
    """Return a colour (0..255) times a brightness (N,), as (3, N), 0..1."""
    return floats(floats(colour)[:, None] / 255 * value)


def normalize(vectors: Floats) -> Floats:
    """Return (3, N) vectors at length 1."""
    return floats(vectors / np.sqrt(vectors[0] ** 2 + vectors[1] ** 2 + vectors[2] ** 2))


def rotation_between(origin: Floats, target: Floats) -> Floats:
    """Return the (3, 3) rotation that turns one unit vector into another."""
    cross, cosine = np.cross(origin, target), float(origin @ target)
    if cosine < -0.9999:
        return np.diag([1, -1, -1]).astype(np.float32)
    x, y, z = cross
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return floats(np.eye(3) + skew + skew @ skew / (1 + cosine))


def direction(tilt: float, heading: float) -> Floats:
    """Return the unit vector that leans from upright by `tilt` towards `heading`, both in radians."""
    return floats([np.sin(tilt) * np.cos(heading), np.cos(tilt), np.sin(tilt) * np.sin(heading)])
