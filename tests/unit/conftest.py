"""The tiny classifier, exported and bundled once per session: conversion is what costs time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_classifier import TinyClassifier, build_tiny, colour_photos, fit_head, species_records

from mushroom_tasks.mobile.bundle import Bundle, write_bundle
from mushroom_tasks.mobile.export import ExportedModel, export
from mushroom_tasks.mobile.parity import Parity, compare
from mushroom_tasks.mobile.schema import DatasetFacts


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyClassifier:
    model = build_tiny()
    fit_head(model, *colour_photos(10, seed=0))
    path = tmp_path_factory.mktemp("tiny") / "model.keras"
    model.save(path)
    photos, labels = colour_photos(12, seed=1)
    return TinyClassifier(path, photos, labels, np.asarray(model(photos.astype(np.float32), training=False)))


@pytest.fixture(scope="session")
def exported(tiny: TinyClassifier, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ExportedModel]:
    folder = tmp_path_factory.mktemp("exported")
    representative, _ = colour_photos(5, seed=2)
    return {name: export(tiny.path, representative, name, folder / f"{name}.tflite") for name in ("float32", "int8")}


@pytest.fixture(scope="session")
def parity(tiny: TinyClassifier, exported: dict[str, ExportedModel]) -> dict[str, Parity]:
    return {name: compare(tiny.probabilities, tiny.labels, model.path, tiny.photos) for name, model in exported.items()}


@pytest.fixture
def bundle_parts(exported: dict[str, ExportedModel], parity: dict[str, Parity], tmp_path: Path) -> dict:
    """The arguments of `write_bundle`, without the folder."""
    attribution = tmp_path / "credits.csv"
    attribution.write_text('photo_id,attribution\r\n1,"(c) A, some rights reserved (CC BY)"\r\n')
    return {
        "fingerprint": "ab12cd34",
        "backbone": "tiny",
        "models": list(exported.values()),
        "parity": parity,
        "species": species_records(),
        "evaluation": {
            "test split": {"photos": 72, "top1": 0.9, "top3": 0.95, "top5": 0.97, "macro_f1": 0.88, "confusion": []}
        },
        "dataset": DatasetFacts(
            fingerprint="d00d",
            photos=100,
            pruned=7,
            splits={"train": 80, "test": 20},
            licenses={"CC0": 30, "CC-BY-NC": 70},
        ),
        "attribution": attribution,
    }


@pytest.fixture
def bundle(bundle_parts: dict, tmp_path: Path) -> Bundle:
    return write_bundle(tmp_path / "bundle", **bundle_parts)
