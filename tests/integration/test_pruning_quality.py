"""Pruning on real photos with real features, measured against what is known about them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow.csv
import pytest

from mushroom_tasks.curation.prune import prune
from mushroom_tasks.errors import PhotoError
from mushroom_tasks.imaging import decode, model_input
from mushroom_tasks.learning.backbones import get
from mushroom_tasks.settings import PruningSettings


def read_photos(bucket: Path) -> tuple[list[dict[str, str]], np.ndarray]:
    """Return the truth about the photos of some species, and their pixels: those with a series of junk, and three more.

    Embedding is what costs time; the figures for all species are in docs/results.md.
    """
    with (bucket / "truth.csv").open(encoding="utf-8") as file:
        truth = list(csv.DictReader(file))
    with_series = {row["label"] for row in truth if row["kind"].startswith("clump")}
    chosen = with_series | set(sorted({row["label"] for row in truth} - with_series)[:3])
    rows, pixels = [], []
    for row in truth:
        if row["label"] not in chosen:
            continue
        try:
            pixels.append(model_input(decode((bucket / "photos" / row["photo_id"] / "medium.jpg").read_bytes()), 224))
        except (PhotoError, FileNotFoundError):
            continue
        rows.append(row)
    return rows, np.stack(pixels)


def read_observers(bucket: Path) -> dict[int, int]:
    options = pyarrow.csv.ParseOptions(delimiter="\t", quote_char=False)
    table = pyarrow.csv.read_csv(bucket / "photos.csv.gz", parse_options=options)
    return dict(zip(table["photo_id"].to_pylist(), table["observer_id"].to_pylist(), strict=True))


def embed(pixels: np.ndarray) -> np.ndarray:
    import tensorflow as tf

    model = get("efficientnet_lite0").build("imagenet")
    step = tf.function(lambda batch: model(batch, training=False))
    batches = (pixels[start : start + 32].astype(np.float32) for start in range(0, len(pixels), 32))
    return np.concatenate([step(batch).numpy() for batch in batches])


@pytest.mark.shared
def test_prune__finds_junk_and_series_among_real_photos(shared_bucket: Path) -> None:
    rows, pixels = read_photos(shared_bucket)
    observers = read_observers(shared_bucket)
    result = prune(
        np.array([row["label"] for row in rows]),
        embed(pixels),
        np.array([observers[int(row["photo_id"])] for row in rows]),
        PruningSettings(),
    )
    kinds = [row["kind"].partition(":")[0] for row in rows]
    junk, series, clean = (np.isin(kinds, names) for names in (("junk", "clump"), "clump", "clean"))
    found = (result.is_outlier & junk).sum()
    f1 = 2 * found / (result.is_outlier.sum() + junk.sum())
    # On all species, noise of DBSCAN at its best fixed eps reaches F1 0.78 with a third of the series.
    assert f1 >= 0.85
    assert result.is_outlier[series].mean() >= 0.7
    assert result.is_outlier[clean].mean() <= 0.02
