"""A tiny data set that any classifier can learn: each species is a colour, with noise."""

from __future__ import annotations

import hashlib
import io
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from mushroom_tasks.manifests import PRUNED
from mushroom_tasks.settings import PhaseSettings, TrainingSettings
from mushroom_tasks.storage import Store

COLOURS = {"Amanita muscaria": (200, 40, 30), "Boletus edulis": (140, 100, 50), "Clitocybe nuda": (110, 80, 170)}
SIZE = 32
TINY = TrainingSettings(
    weights="none",
    phases=(
        PhaseSettings(name="head", depth=0, epochs=2, learning_rate=1e-2),
        PhaseSettings(name="last", depth=0.06, epochs=2, learning_rate=1e-3),
    ),
    batch_size=8,
)


def photo(name: str, seed: int) -> bytes:
    """A PNG of 40 x 36 px in the species' colour."""
    noise = np.random.default_rng(seed).normal(0, 20, (36, 40, 3))
    pixels = np.clip(noise + COLOURS[name], 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def labelled_photos(folder: Path, *, train: int = 4, validation: int = 2, test: int = 2) -> tuple[Store, pa.Table]:
    """A store and its rows: so many photos per species and split, and one outlier per species in train and test."""
    store = Store(folder)
    records = []
    for name in COLOURS:
        splits = ["train"] * (train + 1) + ["validation"] * validation + ["test"] * (test + 1)
        for number, split in enumerate(splits):
            is_outlier = number in (0, len(splits) - 1)
            records.append(_record(store, len(records) + 1, name, split, is_outlier))
    return store, pa.Table.from_pylist(records, schema=PRUNED)


def _record(store: Store, photo_id: int, name: str, split: str, is_outlier: bool) -> dict:
    data = photo(name, photo_id)
    path = f"photos/{photo_id}.png"
    store.write_bytes(path, data)
    return {
        "photo_id": photo_id,
        "photo_uuid": f"p{photo_id}",
        "observation_uuid": f"o{photo_id}",
        "observer_id": photo_id,
        "taxon_id": 100 + list(COLOURS).index(name),
        "scientific_name": name,
        "license": "CC0",
        "extension": "png",
        "observed_on": date(2024, 9, 1),
        "split": split,
        "path": path,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "width": 40,
        "height": 36,
        "format": "PNG",
        "cluster_label": -1 if is_outlier else 0,
        "is_outlier": is_outlier,
        "reason": "noise" if is_outlier else "typical",
        "outlier_score": 0.9 if is_outlier else 0.1,
        "sharpness": 2.0,
        "brightness": 0.9,
        "contrast": 0.1,
        "text_share": 0.0,
    }
