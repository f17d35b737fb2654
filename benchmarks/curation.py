"""Our pruning and search for wrong labels beside the tools that people would take instead, on photos that are known.

Needs a folder of photos in iNaturalist's layout with a `truth.csv` (the one that the tests use, or
MUSHROOM_TEST_BUCKET). All ways get the same embeddings, made by our own code with the default backbone. Ours run with
their defaults; peers with theirs, and also with the parameters and the threshold that the truth says are best for them.
Prints tables and writes `benchmarks/results/curation.json`, in about five minutes. Needs a package registry on first
use, for the environments of cleanlab and cleanvision.

    python benchmarks/curation.py
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
from accuracy import accuracy
from curation_peers import cleanlab, cleanlab_labels, cleanvision
from curation_tables import (
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
from detectors import all_detectors, dbscan, local_outlier_factor
from inputs.contamination import contaminated
from inputs.labelled_bucket import LabelledPhotos, find_bucket, read_bucket
from inputs.wrong_labels import wrong_labels
from judging import Found, Quality, f1, judge
from measured import measured
from numpy.typing import NDArray
from rankings import label_errors, off_topic
from report import Row, beside, report

from mushroom_tasks.curation import reasons
from mushroom_tasks.curation.judging import judge as judge_all
from mushroom_tasks.curation.labels.suspects import find_suspects
from mushroom_tasks.curation.pruning.prune import prune
from mushroom_tasks.settings import DuplicateSettings, EmbeddingSettings, LabelSettings, PruningSettings

PROGRAMS = Path(__file__).with_name("programs")
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
    found = judge_all(pa.table(columns), photos.embeddings, photos.hashes, photos.is_poor, *settings).columns
    reason = np.array(found["reason"].to_pylist())
    is_outlier = np.asarray(found["is_outlier"])
    score = np.maximum(np.asarray(found["outlier_score"]), reason == reasons.POOR_QUALITY)
    twice = np.isin(reason, (reasons.DUPLICATE, reasons.TWO_LABELS))
    return Found(STAGE, is_outlier & ~twice, score), ~is_outlier


def measure_outliers(photos: LabelledPhotos) -> tuple[list[Row], Found]:
    """Compare all ways to find junk; return their rows, and DBSCAN at its best fixed eps."""
    detectors = list(all_detectors(photos))
    single_linkage = off_topic(photos)
    stage, _ = whole_stage(photos)
    outliers = [pruned(photos), stage, *detectors, *cleanlab(photos), *cleanvision(photos), single_linkage]
    fixed = max((found for found in detectors if found.name.startswith("DBSCAN")), key=lambda found: _f1(photos, found))
    return outlier_rows(show_outliers(photos, outliers)), fixed


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


def measure_contamination(photos: LabelledPhotos, share: float, draws: int) -> list[Row]:
    """Compare the ways that are best on the photos as they are, at one share of junk, on some draws."""
    by_way: dict[str, list[Quality]] = {}
    learnt: dict[str, list[float]] = {}
    for seed in range(draws):
        some = contaminated(photos, share, seed)
        mine = pruned(some)
        for found in (mine, *dbscan(some), *local_outlier_factor(some), *cleanlab(some)):
            by_way.setdefault(found.way, []).append(judge(some, found))
        kept = {OURS: ~mine.flagged, "all photos": np.ones(len(some.labels), bool), "truly clean photos": some.is_clean}
        for name, shares in _learnt(some, kept).items():
            learnt.setdefault(name, []).extend(shares)
    show_contamination(share, by_way)
    show_accuracy(learnt)
    return contamination_rows(share, by_way, learnt)


def measure_scale(photos: int) -> list[Row]:
    """Judge labels of made-up features of 500 classes in a process of its own; pruning_speed.py times pruning."""
    command = [sys.executable, str(PROGRAMS / "labels_ours.py"), str(photos), "500"]
    run = measured(command, {"PYTHONPATH": str(PROGRAMS.parent)})
    name = f"labels of {photos:,} photos x 1,280 in 500 classes"
    return [beside(f"{name}: seconds", [run.said["seconds"]]), beside(f"{name}: peak MB", [run.peak_bytes / 1e6])]


def _learnt(photos: LabelledPhotos, kept: Mapping[str, NDArray[np.bool_]]) -> dict[str, list[float]]:
    return {name: [accuracy(photos, rows)] for name, rows in kept.items()}


def _f1(photos: LabelledPhotos, found: Found) -> float:
    return f1(found.flagged, photos.is_junk)


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--draws", type=int, default=3, help="data sets drawn for each share of junk")
    parser.add_argument("--scale", type=int, default=100_000, help="made-up photos for the time; 0 leaves it out")
    given = parser.parse_args()
    photos = read_bucket(find_bucket(), EmbeddingSettings())
    rows, fixed = measure_outliers(photos)
    rows += measure_labels(photos, given.draws) + measure_accuracy(photos, fixed)
    for share in LEVELS:
        rows += measure_contamination(photos, share, given.draws if share else 1)
    if given.scale:
        rows += measure_scale(given.scale)
    species = len(np.unique(photos.labels))
    report("curation", f"{len(photos.labels):,} photos of {species} species; median of {given.draws} draws", rows)


if __name__ == "__main__":
    main()
