"""How well a photo can be seen: sharpness, brightness, contrast and share of text; and what is wrong with a poor one.

All is measured on one grey picture of a fixed size (`grey`), so that an original, a smaller size of it and the copy
that training reads give the same figures, but for what their own compression does.

    measured = measure(grey(image))
    issue(measured, width=500, height=375, settings=settings.quality)       # None, or "blurred"

sharpness
    How steep edges are: the root mean square of the Laplacian over that of the gradient, in the sharpest of 4 x 4
    parts of the picture (of those with edges). An edge blurred by a Gaussian of s pixels has 0.7 / s. The variance of
    the Laplacian alone, the usual measure (Pech-Pacheco et al. 2000), also falls with contrast and with the share of
    the picture that is smooth: it calls night shots, macros with a soft background and studio shots blurred.
brightness
    Luma (0 black to 1 white) that the brightest hundredth of the picture exceeds. Not the mean: a subject in a flash
    at night is well lit, its surroundings are not.
contrast
    Standard deviation of luma, 0 to 0.5: RMS contrast (Peli 1990).
text_share
    Share of 16 x 16 pixel tiles that look like print: thin strokes, clearly darker or lighter than a ground that is
    flat and covers at least half of the tile. Strokes are what a morphological closing takes away (the black top-hat).

References
----------
Pech-Pacheco et al. (2000), "Diatom autofocusing in brightfield microscopy: a comparative study".
Peli (1990), "Contrast in complex images".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mushroom_tasks.settings import QualitySettings

SIDE = 256  # longer side of the picture that is measured; nothing is enlarged
_LEVELS = 255
_PARTS = 4  # in each direction
_ROUNDING = 20 / 12  # mean square of the Laplacian that rounding to whole levels makes of what is not flat
_BRIGHTEST = 0.01  # share of the picture whose darkest pixel is its brightness
_TILE = 16
_STROKE = 8  # pixels: what is narrower is a stroke
_FLAT = 24  # grey levels that the ground of a tile may span
_PAPER = 12  # grey levels that a pixel of the ground may differ from it by
_INK = 40  # grey levels that a pixel of a stroke differs from the ground by at least
_LEAST_INK = 0.05  # of a tile

_Bytes = NDArray[np.uint8]


class Quality(NamedTuple):
    """What is measured of one photo; see the module."""

    sharpness: float
    brightness: float
    contrast: float
    text_share: float


def grey(image: Image.Image) -> Image.Image:
    """Return the picture that is measured: grey (mode L), its longer side `SIDE` pixels at the most."""
    plain = image.convert("L")
    scale = SIDE / max(plain.size)
    if scale >= 1:
        return plain
    size = max(1, round(plain.width * scale)), max(1, round(plain.height * scale))
    # As imaging.smaller shrinks, so that what it has shrunk before comes out alike.
    return plain.resize(size, Image.Resampling.HAMMING, reducing_gap=2.0)


def measure(picture: Image.Image) -> Quality:
    """Measure a picture made by `grey`. Costs about a millisecond."""
    pixels = np.asarray(picture, np.uint8)
    counts = np.asarray(picture.histogram(), np.float64)
    shares, levels = counts / counts.sum(), np.arange(len(counts))
    mean = shares @ levels
    brightest = len(levels) - 1 - np.searchsorted(np.cumsum(shares[::-1]), _BRIGHTEST)
    return Quality(
        sharpness=_sharpness(pixels),
        brightness=float(brightest / _LEVELS),
        contrast=float(np.sqrt(shares @ (levels - mean) ** 2) / _LEVELS),
        text_share=_text_share(pixels),
    )


def issue(measured: Quality, width: int, height: int, settings: QualitySettings) -> str | None:
    """Return what makes a photo too poor to learn from, a key of `manifests.QUALITY_ISSUES`; None where nothing does.

    Parameters
    ----------
    measured
        As `measure` returns it.
    width, height
        Pixels of the photo as it came.
    settings
        The limits.
    """
    if min(width, height) < settings.min_side:
        return "tiny"
    if max(width, height) > settings.max_aspect * min(width, height):
        return "narrow"
    if measured.brightness < settings.min_brightness:
        return "dark"
    if measured.contrast < settings.min_contrast:
        return "blank"
    if measured.text_share > settings.max_text_share:
        return "text"
    if measured.sharpness < settings.min_sharpness:
        return "blurred"
    return None


def _sharpness(pixels: _Bytes) -> float:
    around = np.pad(pixels, 1, mode="edge").astype(np.int16)
    left, right = around[1:-1, :-2], around[1:-1, 2:]
    above, below = around[:-2, 1:-1], around[2:, 1:-1]
    laplacian = left + right + above + below - 4 * around[1:-1, 1:-1]
    slopes = _squares(right - left) + _squares(below - above)
    rounding = _ROUNDING * _means((slopes > 0).astype(np.float32))
    curvature, steepness = np.maximum(_means(_squares(laplacian)) - rounding, 0), _means(slopes) / 4
    # Parts with few edges say nothing: there noise is all there is.
    counts = steepness > max(float(steepness.mean()) / 2, 1e-6)
    return float(np.sqrt(np.max(curvature[counts] / steepness[counts], initial=0)))


def _squares(differences: NDArray[np.int16]) -> NDArray[np.float32]:
    return np.square(differences, dtype=np.float32)


def _means(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(values).resize((_PARTS, _PARTS), Image.Resampling.BOX))


def _text_share(pixels: _Bytes) -> float:
    if min(pixels.shape) < _TILE:
        return 0.0
    return float(np.mean(_has_print(pixels) | _has_print(_LEVELS - pixels)))


def _has_print(pixels: _Bytes) -> NDArray[np.bool_]:
    """Tell of each tile whether it has dark strokes on a flat ground."""
    padded = np.pad(pixels, _STROKE - 1, mode="edge")
    ground = _spread(_spread(padded, np.maximum), np.minimum)
    ink = ground - pixels
    tiles = _tiles(ground)
    # Down the columns first: sixteen times as fast as along the short rows of a tile.
    is_flat = tiles.max(1).max(2) - tiles.min(1).min(2) <= _FLAT
    is_paper = _count(ink <= _PAPER) >= _TILE**2 / 2
    is_inked = _count(ink >= _INK) >= _TILE**2 * _LEAST_INK
    has_print: NDArray[np.bool_] = is_flat & is_paper & is_inked
    return has_print


def _spread(pixels: _Bytes, extreme: Callable[[_Bytes, _Bytes], _Bytes]) -> _Bytes:
    """Return the extreme of every window of _STROKE x _STROKE pixels, which is a power of two."""
    for step in (1, 2, 4):
        pixels = extreme(pixels[step:], pixels[:-step])
        pixels = extreme(pixels[:, step:], pixels[:, :-step])
    return pixels


def _tiles(pixels: _Bytes) -> _Bytes:
    """Return whole tiles, shape (rows, _TILE, columns, _TILE); what is left over at two sides is not looked at."""
    rows, columns = pixels.shape[0] // _TILE, pixels.shape[1] // _TILE
    return pixels[: rows * _TILE, : columns * _TILE].reshape(rows, _TILE, columns, _TILE)


def _count(marks: NDArray[np.bool_]) -> NDArray[np.int64]:
    count: NDArray[np.int64] = _tiles(marks.view(np.uint8)).sum(1, dtype=np.uint8).sum(2, dtype=np.int64)
    return count
