"""Prunes made-up features with scikit-learn's DBSCAN, class by class: what one writes at first.

Unit features, one eps for all classes, noise is pruned. A process of its own, so that its memory is known.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
from inputs.features import make_features
from sklearn.cluster import DBSCAN
from sklearn.preprocessing import normalize

EPS, MIN_SAMPLES = 1.0, 4


def main() -> None:
    """Prune."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=int)
    parser.add_argument("classes", type=int)
    given = parser.parse_args()
    made = make_features(given.photos, given.classes)
    start = time.perf_counter()
    is_noise = np.zeros(given.photos, bool)
    for name in np.unique(made.classes):
        rows = np.flatnonzero(made.classes == name)
        is_noise[rows] = DBSCAN(eps=EPS, min_samples=MIN_SAMPLES).fit(normalize(made.features[rows])).labels_ < 0
    seconds = time.perf_counter() - start
    right = int((is_noise & made.is_junk).sum())
    print(json.dumps({"seconds": seconds, "flagged": int(is_noise.sum()), "right": right}))


if __name__ == "__main__":
    main()
