"""Finds the knees of curves with kneed; runs in the environment of that peer, without ours.

Reads an .npz with rising curves, each by its name, and writes one with the height of each one's knee: kneed's defaults
for such curves. Where it finds none, that is the end of the curve, so that all lies below.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from kneed import KneeLocator


def main() -> None:
    """Read, look, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    with np.load(given.input) as data:
        np.savez(given.output, **{name: knee(data[name]) for name in data})


def knee(curve: np.ndarray) -> float:
    """Return the height of the knee."""
    found = KneeLocator(range(len(curve)), curve, curve="convex", direction="increasing").knee_y
    return float(curve[-1] if found is None else found)


if __name__ == "__main__":
    main()
