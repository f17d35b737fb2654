"""Judges the labels of made-up features with our own code: a process of its own, so that its memory is known."""

from __future__ import annotations

import argparse
import json
import time

from inputs.features import make_features

from mushroom_tasks.curation.labels.suspects import find_suspects
from mushroom_tasks.settings import LabelSettings


def main() -> None:
    """Judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=int)
    parser.add_argument("classes", type=int)
    given = parser.parse_args()
    made = make_features(given.photos, given.classes)
    start = time.perf_counter()
    found = find_suspects(made.classes, made.features, made.observers, LabelSettings(), exclude=made.is_junk)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "suspected": int(found.is_suspected.sum())}))


if __name__ == "__main__":
    main()
