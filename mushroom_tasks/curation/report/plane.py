"""The map of a report: where each sampled photo lies in the plane, and the photos that stand for their places.

plane = Plane(rows, places, kinds(facts)[rows], facts.taxon_id[rows])
plane.labels(names)                    # taxon_id -> where its name is written
squares = plane.cells()                # grid cell -> row
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.curation.report.facts import Rows

GRID = (30, 18)  # cells across and down
_MOST_LABELS = 40  # species; more names than that cannot be read
_LETTER, _LINE = 0.0072, 0.026  # of a name on the map: its width and height, of the map's


@dataclass(frozen=True)
class Plane:
    """N sampled photos in the plane.

    Attributes
    ----------
    rows : (N,)
        Which photos, as numbers of rows.
    places : float64 (N, 2)
        Across and down, from 0 to 1.
    kinds : (N,)
        0 kept, 1 pruned, 2 in doubt.
    classes : int64 (N,)
        taxon_id.
    """

    rows: Rows
    places: NDArray[np.float64]
    kinds: Rows
    classes: NDArray[np.int64]

    def labels(self, names: Mapping[int, str]) -> dict[int, tuple[float, float]]:
        """Return where to write the name of each class, by taxon_id: near the middle of its kept photos.

        Names that would cover each other are moved apart. Where there are many classes none is written.
        """
        taxa = np.unique(self.classes)
        if len(taxa) > _MOST_LABELS:
            return {}
        own = {int(taxon): self.places[(self.classes == taxon) & (self.kinds != 1)] for taxon in taxa}
        middles = {taxon: np.median(places, axis=0) for taxon, places in own.items() if len(places)}
        placed: dict[int, tuple[float, float]] = {}
        for taxon in sorted(middles, key=lambda taxon: (float(middles[taxon][1]), taxon)):
            width = len(names[taxon]) * _LETTER
            across = float(np.clip(middles[taxon][0], width / 2, 1 - width / 2)) if width < 1 else 0.5
            down = float(middles[taxon][1])
            for other, (x, y) in sorted(placed.items(), key=lambda item: item[1][1]):
                is_beside = abs(across - x) > (width + len(names[other]) * _LETTER) / 2
                if not is_beside and abs(down - y) < _LINE:
                    down = y + _LINE
            placed[taxon] = across, min(down, 1.0)
        return placed

    def cells(self) -> dict[tuple[int, int], int]:
        """Return which photo stands for each cell of the grid (across, down): its place in `rows`.

        It is the one nearest to the middle of the cell; empty cells are left out.
        """
        size = np.array(GRID)
        cell = np.minimum((self.places * size).astype(np.intp), size - 1)
        off = np.linalg.norm(self.places * size - cell - 0.5, axis=1)
        nearest: dict[tuple[int, int], int] = {}
        for place in np.argsort(off, kind="stable").tolist():
            nearest.setdefault((int(cell[place, 0]), int(cell[place, 1])), place)
        return nearest
