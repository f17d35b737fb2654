"""Our pruning and search for wrong labels beside the tools that people would take instead, on photos that are known.

Needs a folder of photos in iNaturalist's layout with a `truth.csv` (the one that the tests use, or
MUSHROOM_TEST_BUCKET). All ways get the same embeddings, made by our own code with the default backbone. Ours run with
their defaults; peers with theirs, and also with the parameters and the threshold that the truth says are best for them.
Prints tables and writes `benchmarks/results/curation.json`, in about a quarter of an hour. Needs a package registry on
first use, for the environments of cleanlab, cleanvision and kneed. How long ours takes is measured by
curation_speed.py.

    python benchmarks/curation.py
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from accuracy import accuracy
from curation_peers import Cleanvision, cleanlab, cleanlab_labels, knees
from curation_tables import (
    BEST_EPS,
    LABELS,
    OURS,
    STAGE,
    Ranked,
    accuracy_rows,
    contamination_rows,
    label_rows,
    outlier_rows,
    rank,
    show_accuracy,
    show_contamination,
    show_labels,
    show_outliers,
)
from detectors import all_detectors, dbscan_at_knees
from inputs.contamination import contaminated
from inputs.labelled_bucket import LabelledPhotos, find_bucket, read_bucket
from inputs.wrong_labels import wrong_labels
from numpy.typing import NDArray
from rankings import label_errors, off_topic
from report import Row, report
from scoring import Found, Quality, f1, quality_of

from mushroom_tasks.curation import reasons
from mushroom_tasks.curation.judging import judge
from mushroom_tasks.curation.labels.suspects import find_suspects
from mushroom_tasks.curation.pruning.prune import prune
from mushroom_tasks.settings import DuplicateSettings, EmbeddingSettings, LabelSettings, PruningSettings

LEVELS = (0.0, 0.05, 0.15, 0.3)


def pruned(photos: LabelledPhotos) -> Found:
    """Prune with our defaults."""
    found = prune(photos.labels, photos.embeddings, photos.observers, PruningSettings())
    return Found(OURS, found.is_outlier, found.outlier_score)


def suspected(photos: LabelledPhotos, exclude: NDArray[np.bool_]) -> Found:
    """Judge labels with our defaults."""
    found = find_suspects(photos.labels, photos.embeddings, photos.observers, LabelSettings(), exclude)
    return Found(LABELS, found.is_suspected, -np.nan_to_num(found.label_score, nan=1))


def whole_stage(photos: LabelledPhotos) -> tuple[Found, NDArray[np.bool_]]:
    """Judge as `dataset_build` does, duplicates and poor photos included; return outliers, and all that is kept.

    Pictures that are there twice are told apart: they are no outliers, and are not counted as flagged.
    """
    _, taxa = np.unique(photos.labels, return_inverse=True)
    columns = {"photo_id": photos.photo_ids, "taxon_id": taxa, "observer_id": photos.observers, "sha256": photos.sha256}
    settings = DuplicateSettings(), PruningSettings(), LabelSettings()
    embeddings = photos.embeddings.copy()  # they are overwritten
    found = judge(pa.table(columns), embeddings, photos.hashes, photos.is_poor, *settings).columns
    reason = np.array(found["reason"].to_pylist())
    is_outlier = np.asarray(found["is_outlier"])
    score = np.maximum(np.asarray(found["outlier_score"]), reason == reasons.POOR_QUALITY)
    twice = np.isin(reason, (reasons.DUPLICATE, reasons.TWO_LABELS))
    return Found(STAGE, is_outlier & ~twice, score), ~is_outlier


def others(photos: LabelledPhotos, seen: Cleanvision) -> list[Found]:
    """Find junk in the ways that people would take instead."""
    at_knees = dbscan_at_knees(photos, knees(photos))
    return [*all_detectors(photos), *at_knees, *cleanlab(photos), *seen.of(photos), off_topic(photos)]


def measure_outliers(photos: LabelledPhotos, seen: Cleanvision) -> tuple[list[Row], Found]:
    """Compare all ways to find junk; return their rows, and DBSCAN at its best fixed eps."""
    peers = others(photos, seen)
    stage, _ = whole_stage(photos)
    at_best = [found for found in peers if found.way.startswith(BEST_EPS)]
    rows = outlier_rows(show_outliers(photos, [pruned(photos), stage, *peers]))
    return rows, max(at_best, key=lambda found: f1(found.flagged, photos.is_junk))


def measure_labels(photos: LabelledPhotos, draws: int) -> list[Row]:
    """Compare all ways to find wrong species, however they came about."""
    by_how: dict[str, dict[str, list[Ranked]]] = {}
    for how, some in wrong_labels(photos, draws):
        by_way = by_how.setdefault(how, {})
        outliers = pruned(some).flagged
        mine = suspected(some, outliers)
        by_way.setdefault(mine.way, []).append(rank(some, mine, outliers))
        for found in (*cleanlab_labels(some), label_errors(some)):
            by_way.setdefault(found.way, []).append(rank(some, found))
    rows = []
    for how, by_way in by_how.items():
        show_labels(how, by_way)
        rows += label_rows(how, by_way)
    return rows


def measure_accuracy(photos: LabelledPhotos, fixed: Found) -> list[Row]:
    """Compare what a classifier learns from each data set."""
    mine = pruned(photos).flagged
    kept = {
        OURS: ~mine,
        f"{OURS}, suspected labels left out": ~mine & ~suspected(photos, mine).flagged,
        STAGE: whole_stage(photos)[1],
        "all photos": np.ones(len(photos.labels), bool),
        fixed.name: ~fixed.flagged,
        "truly clean photos": photos.is_clean,
    }
    learnt = _learnt(photos, kept)
    show_accuracy(learnt)
    return accuracy_rows(STAGE, learnt)


def measure_contamination(photos: LabelledPhotos, seen: Cleanvision, share: float, draws: int) -> list[Row]:
    """Compare all ways at one share of junk, on some draws."""
    by_way: dict[str, list[Quality]] = {}
    learnt: dict[str, list[float]] = {}
    for seed in range(draws):
        some = contaminated(photos, share, seed)
        mine = pruned(some)
        for found in (mine, *others(some, seen)):
            by_way.setdefault(found.way, []).append(quality_of(some, found))
        kept = {OURS: ~mine.flagged, "all photos": np.ones(len(some.labels), bool), "truly clean photos": some.is_clean}
        for name, shares in _learnt(some, kept).items():
            learnt.setdefault(name, []).extend(shares)
    show_contamination(share, by_way)
    show_accuracy(learnt)
    return contamination_rows(share, by_way, learnt)


def _learnt(photos: LabelledPhotos, kept: Mapping[str, NDArray[np.bool_]]) -> dict[str, list[float]]:
    return {name: [accuracy(photos, rows)] for name, rows in kept.items()}


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--draws", type=int, default=3, help="data sets drawn for each share of junk")
    given = parser.parse_args()
    photos = read_bucket(find_bucket(), EmbeddingSettings())
    seen = Cleanvision(photos)
    rows, fixed = measure_outliers(photos, seen)
    rows += measure_labels(photos, given.draws) + measure_accuracy(photos, fixed)
    for share in LEVELS:
        rows += measure_contamination(photos, seen, share, given.draws if share else 1)
    species = len(np.unique(photos.labels))
    report("curation", f"{len(photos.labels):,} photos of {species} species; median of {given.draws} draws", rows)


if __name__ == "__main__":
    main()
