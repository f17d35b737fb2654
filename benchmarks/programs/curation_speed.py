"""Curates made-up features in one way: a process of its own, so that its time and its memory are known.

`prune` and `labels` are our own code with its defaults; `dbscan` is scikit-learn's, class by class, with unit features
and one eps for all: what one writes at first.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
from inputs.features import Made, make_features
from numpy.typing import NDArray

EPS, MIN_SAMPLES = 1.0, 4


def prune(made: Made) -> NDArray[np.bool_]:
    """Return what our pruning flags."""
    from mushroom_tasks.curation.pruning.prune import prune
    from mushroom_tasks.settings import PruningSettings

    return prune(made.classes, made.features, made.observers, PruningSettings()).is_outlier


def labels(made: Made) -> NDArray[np.bool_]:
    """Return whose label we suspect."""
    from mushroom_tasks.curation.labels.suspects import find_suspects
    from mushroom_tasks.settings import LabelSettings

    return find_suspects(made.classes, made.features, made.observers, LabelSettings(), made.is_junk).is_suspected


def dbscan(made: Made) -> NDArray[np.bool_]:
    """Return the noise of plain DBSCAN."""
    from sklearn.cluster import DBSCAN
    from sklearn.preprocessing import normalize

    is_noise = np.zeros(len(made.classes), bool)
    for name in np.unique(made.classes):
        rows = np.flatnonzero(made.classes == name)
        is_noise[rows] = DBSCAN(eps=EPS, min_samples=MIN_SAMPLES).fit(normalize(made.features[rows])).labels_ < 0
    return is_noise


WAYS = {"prune": prune, "labels": labels, "dbscan": dbscan}


def main() -> None:
    """Make features, curate them, tell the time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("photos", type=int)
    parser.add_argument("classes", type=int)
    given = parser.parse_args()
    made = make_features(given.photos, given.classes)
    start = time.perf_counter()
    flagged = WAYS[given.way](made)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "flagged": int(flagged.sum()), "junk": int((flagged & made.is_junk).sum())}))


if __name__ == "__main__":
    main()
