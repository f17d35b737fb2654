"""The tiny classifier, exported and bundled once per session: conversion is what costs time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_classifier import TinyClassifier, build_tiny, colour_photos, fit_head, species_records

from mushroom_tasks.mobile.bundle import Bundle
from mushroom_tasks.mobile.export import ExportedModel, export
from mushroom_tasks.mobile.parity import Parity, compare
from mushroom_tasks.mobile.prior import Prior
from mushroom_tasks.mobile.prior_fitting import Counts, fit
from mushroom_tasks.mobile.schema import DatasetFacts, PriorFacts
from mushroom_tasks.mobile.writing import write_bundle

PRECISIONS = ("float32", "float16", "dynamic", "int8")


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
    return {name: export(tiny.path, representative, name, folder / f"{name}.tflite") for name in PRECISIONS}


@pytest.fixture(scope="session")
def parity(tiny: TinyClassifier, exported: dict[str, ExportedModel]) -> dict[str, Parity]:
    return {
        name: compare(tiny.probabilities, tiny.labels, model.path, tiny.photos, {"mean label": _mean_label})
        for name, model in exported.items()
    }


def _mean_label(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Something that can be measured of probabilities and labels."""
    return float((probabilities.argmax(axis=1) * (labels >= 0)).mean())


@pytest.fixture
def bundle_parts(exported: dict[str, ExportedModel], parity: dict[str, Parity], tmp_path: Path) -> dict:
    """The arguments of `write_bundle`, without the folder."""
    attribution = tmp_path / "credits.csv"
    attribution.write_text('photo_id,attribution\r\n1,"(c) A, some rights reserved (CC BY)"\r\n')
    return {
        "fingerprint": "ab12cd34",
        "backbone": "tiny",
        "models": [exported["float32"], exported["int8"]],
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
def prior_parts() -> tuple[Prior, PriorFacts]:
    """A prior that expects the second species around Copenhagen, and no other."""
    counts = Counts(6, *(np.array(values) for values in ([1, 2], [29, 11], [38, 66], [9, 9], [900, 900])))
    facts = PriorFacts(
        file="prior.bin", snapshot="5a5a", observations=1_800, weight=0.8, photos=40,
        top1_without=0.5, top1_with=0.6, log_loss_without=1.5, log_loss_with=1.2,
    )  # fmt: skip
    return replace(fit(counts), weight=0.8), facts


@pytest.fixture
def bundle(bundle_parts: dict, tmp_path: Path) -> Bundle:
    return write_bundle(tmp_path / "bundle", **bundle_parts)
