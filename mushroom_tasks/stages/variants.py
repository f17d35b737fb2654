"""The LiteRT variants of a model, each checked against Keras on the test split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mushroom_tasks.learning import backbones
from mushroom_tasks.learning.dataset import classes_of, select_split
from mushroom_tasks.learning.evaluation.calibration import reliability, tempered
from mushroom_tasks.learning.evaluation.poison import poison_cost
from mushroom_tasks.learning.pixels import prepare
from mushroom_tasks.mobile.export import ExportedModel, export
from mushroom_tasks.mobile.parity import Measure, Parity, compare, require_agreement
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.results import PlanResult
from mushroom_tasks.storage import Store

# One photo at a time through LiteRT: more would take minutes and change the agreement by less than a percent.
_PARITY_PHOTOS = 2_000


@dataclass(frozen=True)
class Variants:
    """The files, and each one's comparison with Keras by precision."""

    models: list[ExportedModel]
    parity: dict[str, Parity]


def make_variants(
    settings: Settings,
    store: Store,
    plan: PlanResult,
    rows: pa.Table,
    model: Path,
    probabilities: NDArray[np.float32],
    temperature: float,
    work: Path,
) -> Variants:
    """Convert a model to every precision asked for.

    `probabilities` (N, C) are what Keras says of the test split, in order of photo_id; `temperature` is what they and
    those of the variants are calibrated by before their calibration error is taken. Raises BundleError where a variant
    cannot be made, or agrees with Keras less than `export.min_agreement` asks.
    """
    prepared = prepare(rows, store, settings.cache, backbones.get(plan.backbone).input_size)
    test, kept = select_split(rows, "test", kept_only=False), select_split(rows, "train", kept_only=True)
    chosen = _sample(len(test.labels), _PARITY_PHOTOS, settings.training.seed)
    photos = prepared.pixels[prepared.indices(test.sha256[chosen].tolist())]
    calibration = _sample(len(kept), settings.export.representative_photos, settings.training.seed)
    representative = prepared.pixels[prepared.indices(kept.sha256[calibration].tolist())]
    measures = _measures(classes_of(rows), temperature)
    found = Variants([], {})
    for precision in settings.export.precisions:
        exported = export(model, representative, precision, work / f"{precision}.tflite")
        parity = compare(probabilities[chosen], test.labels[chosen], exported.path, photos, measures)
        require_agreement(parity, precision, settings.export.min_agreement)
        found.models.append(exported)
        found.parity[str(precision)] = parity
    return found


def _measures(classes: list[str], temperature: float) -> Mapping[str, Measure]:
    return {
        "ece": lambda probabilities, labels: (
            reliability(tempered(probabilities, temperature), labels.astype(np.int64)).ece
        ),
        "poison_cost": lambda probabilities, labels: (
            poison_cost(probabilities.argmax(axis=1), labels.astype(np.int64), classes).cost
        ),
    }


def _sample(count: int, most: int, seed: int) -> NDArray[np.int64]:
    """Return at most `most` of the indices below `count`, drawn with a seed, in ascending order."""
    return np.sort(np.random.default_rng(seed).permutation(count)[:most])
