"""Prunes made-up features with our own code: a process of its own, so that its memory is known."""

from __future__ import annotations

import argparse
import json
import time

from inputs.features import make_features

from mushroom_tasks.curation.pruning.prune import prune
from mushroom_tasks.settings import PruningSettings


def main() -> None:
    """Prune."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=int)
    parser.add_argument("classes", type=int)
    given = parser.parse_args()
    made = make_features(given.photos, given.classes)
    start = time.perf_counter()
    found = prune(made.classes, made.features, made.observers, PruningSettings())
    seconds = time.perf_counter() - start
    right = int((found.is_outlier & made.is_junk).sum())
    print(json.dumps({"seconds": seconds, "flagged": int(found.is_outlier.sum()), "right": right}))


if __name__ == "__main__":
    main()
