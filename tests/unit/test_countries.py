"""Countries as areas on the map."""

from __future__ import annotations

import numpy as np
import pytest

from mushroom_tasks.errors import SelectionError
from mushroom_tasks.inat.selecting.countries import territory

PLACES = {
    "DK": (12.57, 55.68), "SE": (18.07, 59.33), "NO": (10.75, 59.91), "FR": (2.35, 48.85), "GL": (-51.72, 64.18),
    "US": (-149.9, 61.2), "NZ": (174.8, -41.3), "FJ": (178.44, -18.14), "XK": (21.17, 42.67), "LS": (27.5, -29.3),
}  # fmt: skip


@pytest.mark.parametrize("code", PLACES)
def test_territory__holds_its_capital_and_no_other(code: str) -> None:
    longitudes, latitudes = np.array(list(PLACES.values())).T
    held = territory([code]).holds(longitudes, latitudes)
    assert [found for found, is_held in zip(PLACES, held, strict=True) if is_held] == [code]


def test_territory__joins_countries() -> None:
    longitudes, latitudes = np.array([PLACES["DK"], PLACES["SE"], PLACES["NO"]]).T
    assert territory(["DK", "SE"]).holds(longitudes, latitudes).tolist() == [True, True, False]


def test_territory__reaches_across_the_antimeridian() -> None:
    assert territory(["FJ"]).holds(np.array([179.9, -179.9]), np.array([-16.8, -16.8])).all()


def test_territory__holds_the_shore_but_not_the_neighbours() -> None:
    denmark = territory(["DK"])
    off_gilleleje, open_sea, flensburg = (12.31, 56.15), (5.0, 56.0), (9.43, 54.78)
    held = denmark.holds(*np.array([off_gilleleje, open_sea, flensburg]).T)
    assert held.tolist() == [True, False, False]


def test_territory__takes_no_points() -> None:
    assert territory(["DK"]).holds(np.array([]), np.array([])).shape == (0,)


def test_territory__names_codes_like_an_unknown_one() -> None:
    with pytest.raises(SelectionError, match=r"Received: \['DX'\]. DX is none; .*DK \(Denmark\)"):
        territory(["DX", "SE"])
