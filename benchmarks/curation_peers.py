"""cleanlab, cleanvision and kneed, each in an environment of its own, on the photos that all ways are compared on.

    found = [*cleanlab(photos), *Cleanvision(photos).of(photos), *dbscan_at_knees(photos, knees(photos))]

Licences, looked up in November 2026: cleanlab 2.9.0 and cleanvision 0.3.7 are Apache-2.0 (cleanlab up to 2.7 was
AGPL-3.0), kneed 0.9.0 is BSD-3-Clause. SelfClean 0.0.39 is CC BY-NC 4.0, for non-commercial use alone, and therefore
not installed: see `rankings`.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np
from detectors import k_distances
from inputs.labelled_bucket import LabelledPhotos
from numpy.typing import NDArray
from peers import CLEANLAB, CLEANVISION, KNEED, Peer
from scoring import Found, best_threshold
from sklearn.preprocessing import normalize

PROGRAMS = Path(__file__).with_name("programs")
LABELS = {
    "features": "cleanlab Datalab, from features alone",
    "by_photo": "cleanlab Datalab, logistic regression, 5 folds",
    "by_group": "cleanlab Datalab, logistic regression, 5 folds by observer",
}


def cleanlab(photos: LabelledPhotos) -> list[Found]:
    """Return the outliers that Datalab finds."""
    said = _datalab(photos, "outliers")
    outliers = [Found("cleanlab Datalab, defaults", said["outlier_all_flagged"], 1 - said["outlier_all"])]
    for scope in ("all", "by_class"):
        score = 1 - said[f"outlier_{scope}"]
        name = f"cleanlab Datalab, best threshold, {'all at once' if scope == 'all' else 'class by class'}"
        outliers.append(Found(name, best_threshold(score, photos.is_junk), score))
    return outliers


def cleanlab_labels(photos: LabelledPhotos) -> list[Found]:
    """Return the wrong labels that Datalab finds, by each of the probabilities that people would give it."""
    said = _datalab(photos, "labels")
    return [Found(name, said[f"label_{key}_flagged"], 1 - said[f"label_{key}"]) for key, name in LABELS.items()]


def _datalab(photos: LabelledPhotos, what: str) -> dict[str, NDArray[np.generic]]:
    given = {"labels": photos.labels, "features": normalize(photos.embeddings), "groups": photos.observers}
    return _run(CLEANLAB, "curation_cleanlab.py", given, [what])


class Cleanvision:
    """What cleanvision says is a poor photo; it knows nothing of species.

    It decodes every photo, and all but the measure of its size is of the photo alone: once is enough for all draws.
    """

    def __init__(self, photos: LabelledPhotos) -> None:
        paths = "\n".join(str(photos.folder / path) for path in photos.paths)
        self._photo_ids = photos.photo_ids
        self._said = _run(CLEANVISION, "curation_cleanvision.py", paths, [])

    def of(self, photos: LabelledPhotos) -> list[Found]:
        """Return what it says of some of the photos."""
        rows = np.searchsorted(self._photo_ids, photos.photo_ids)
        score = 1 - self._said["score"][rows]
        return [
            Found("cleanvision, defaults", self._said["flagged"][rows], score),
            Found("cleanvision, best threshold", best_threshold(score, photos.is_junk), score),
        ]


def knees(photos: LabelledPhotos) -> dict[str, float]:
    """Return where kneed finds the knee of each class's k-distance curve."""
    distances = k_distances(photos)
    curves = {str(name): np.sort(distances[photos.labels == name]) for name in np.unique(photos.labels)}
    return {name: float(height) for name, height in _run(KNEED, "curation_kneed.py", curves, []).items()}


def _run(
    peer: Peer, program: str, given: str | dict[str, NDArray[np.generic]], options: list[str]
) -> dict[str, NDArray[np.generic]]:
    with tempfile.TemporaryDirectory(prefix="mushroom-bench-") as folder:
        source, output = Path(folder) / "input.npz", Path(folder) / "output.npz"
        if isinstance(given, str):
            source.write_text(given, encoding="utf-8")
        else:
            np.savez(source, **given)
        command = [peer.python, str(PROGRAMS / program), str(source), str(output), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{peer.name} failed:\n{done.stderr[-3000:]}")
        with np.load(output) as data:
            return dict(data)
