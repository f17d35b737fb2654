"""Looks for poor photos with cleanvision; runs in the environment of that peer, without ours.

Reads a text file with a path in each line, and writes an .npz with `flagged` (N,): whether cleanvision finds any issue
but duplicates, and `score` (N,): the least of its scores, 0 for an issue and 1 for none.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from cleanvision import Imagelab

DUPLICATES = ("exact_duplicates", "near_duplicates")


def main() -> None:
    """Read, look, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    paths = given.input.read_text(encoding="utf-8").splitlines()
    lab = Imagelab(filepaths=paths, verbose=False)
    lab.find_issues(n_jobs=1, verbose=False)
    issues = lab.issues.loc[paths]
    kinds = [name[3:-6] for name in issues.columns if name.startswith("is_") and name[3:-6] not in DUPLICATES]
    np.savez(
        given.output,
        flagged=issues[[f"is_{kind}_issue" for kind in kinds]].any(axis=1).to_numpy(),
        score=issues[[f"{kind}_score" for kind in kinds]].min(axis=1).to_numpy(),
    )


if __name__ == "__main__":
    main()
