"""Pruning on real photos with real features, measured against what is known about them; all by its defaults."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.csv
import pytest
from numpy.typing import NDArray

from mushroom_tasks.curation.labels.suspects import find_suspects
from mushroom_tasks.curation.pruning.prune import Pruning, prune
from mushroom_tasks.errors import PhotoError
from mushroom_tasks.imaging import decode, model_input
from mushroom_tasks.learning.backbones import get
from mushroom_tasks.settings import LabelSettings, PruningSettings

pytestmark = pytest.mark.shared
LEAST_F1, MOST_CLEAN = 0.92, 0.02


@dataclass(frozen=True)
class Truth:
    """Photos of which is known what they are."""

    label: NDArray[np.str_]
    kind: NDArray[np.str_]
    observer: NDArray[np.int64]
    features: NDArray[np.float32]

    @property
    def is_clean(self) -> NDArray[np.bool_]:
        return self.kind == "clean"

    @property
    def is_series(self) -> NDArray[np.bool_]:
        return np.char.startswith(self.kind, "clump")

    @property
    def is_junk(self) -> NDArray[np.bool_]:
        return self.is_series | np.char.startswith(self.kind, "junk")

    def at(self, rows: NDArray[np.intp]) -> Truth:
        return Truth(self.label[rows], self.kind[rows], self.observer[rows], self.features[rows])

    def prune(self) -> Pruning:
        return prune(self.label, self.features, self.observer, PruningSettings())

    def f1(self, pruning: Pruning) -> float:
        found = int((pruning.is_outlier & self.is_junk).sum())
        return 2 * found / int(pruning.is_outlier.sum() + self.is_junk.sum())


@pytest.fixture(scope="module")
def truth(shared_bucket: Path) -> Truth:
    """Embed all photos that decode: half a minute, but junk is told by what stands out in other species."""
    with (shared_bucket / "truth.csv").open(encoding="utf-8") as file:
        known = list(csv.DictReader(file))
    observers = read_observers(shared_bucket)
    rows, pixels = [], []
    for row in known:
        try:
            content = (shared_bucket / "photos" / row["photo_id"] / "medium.jpg").read_bytes()
            pixels.append(model_input(decode(content), 224))
        except (PhotoError, FileNotFoundError):
            continue
        rows.append(row)
    label, kind = (np.array([row[name] for row in rows]) for name in ("label", "kind"))
    return Truth(label, kind, np.array([observers[int(row["photo_id"])] for row in rows]), embed(pixels))


def read_observers(bucket: Path) -> dict[int, int]:
    options = pyarrow.csv.ParseOptions(delimiter="\t", quote_char=False)
    table = pyarrow.csv.read_csv(bucket / "photos.csv.gz", parse_options=options)
    return dict(zip(table["photo_id"].to_pylist(), table["observer_id"].to_pylist(), strict=True))


def embed(pixels: list[np.ndarray]) -> np.ndarray:
    import tensorflow as tf

    model = get("efficientnet_lite0").build("imagenet")
    step = tf.function(lambda batch: model(batch, training=False))
    batches = (np.stack(pixels[start : start + 32]).astype(np.float32) for start in range(0, len(pixels), 32))
    return np.concatenate([step(batch).numpy() for batch in batches])


def contaminated(truth: Truth, share: float, seed: int) -> Truth:
    """Return the photos with less junk, or with clean photos left out until junk is this share; none twice."""
    random = np.random.default_rng(seed)
    junk, others = (random.permutation(np.flatnonzero(part)) for part in (truth.is_junk, ~truth.is_junk))
    if share < len(junk) / len(truth.label):
        junk = junk[: round(share / (1 - share) * len(others))]
    else:
        others = others[: round((1 - share) / share * len(junk))]
    return truth.at(np.sort(np.concatenate([junk, others])))


def refiled(truth: Truth, species: int) -> Truth:
    """Return the photos with all junk filed under the largest species, so that it is about a third of each."""
    names, counts = np.unique(truth.label[~truth.is_junk], return_counts=True)
    largest = names[np.argsort(-counts, kind="stable")[:species]]
    _, of_series = np.unique(truth.label, return_inverse=True)
    label = truth.label.copy()
    label[truth.is_series] = largest[of_series[truth.is_series] % species]
    single = np.flatnonzero(truth.is_junk & ~truth.is_series)
    label[single] = largest[np.arange(len(single)) % species]
    return Truth(label, truth.kind, truth.observer, truth.features)


def test_prune__reaches_its_targets_by_default(truth: Truth) -> None:
    result = truth.prune()
    assert truth.f1(result) >= LEAST_F1
    assert result.is_outlier[truth.is_clean].mean() <= MOST_CLEAN
    for label in np.unique(truth.label[truth.is_series]):
        assert result.is_outlier[truth.is_series & (truth.label == label)].mean() > 0.8
    assert not any(report.held_back for report in result.report.values())


@pytest.mark.parametrize("share", [0.05, 0.15])
def test_prune__reaches_its_targets_with_other_shares_of_junk(truth: Truth, share: float) -> None:
    # With 60 photos of junk each that is missed is a point, so several draws.
    draws = [contaminated(truth, share, seed) for seed in range(4)]
    results = [draw.prune() for draw in draws]
    assert np.mean([draw.f1(result) for draw, result in zip(draws, results, strict=True)]) >= 0.91
    for draw, result in zip(draws, results, strict=True):
        assert result.is_outlier[draw.is_clean].mean() <= MOST_CLEAN


def test_prune__finds_junk_that_is_a_third_of_some_species_and_none_of_others(truth: Truth) -> None:
    some = refiled(truth, species=4)
    result = some.prune()
    assert some.f1(result) >= 0.9
    assert result.is_outlier[some.is_clean].mean() <= MOST_CLEAN
    without = ~np.isin(some.label, some.label[some.is_junk])
    assert result.is_outlier[without].mean() <= MOST_CLEAN


def test_prune__leaves_clean_photos_alone(truth: Truth) -> None:
    assert truth.at(np.flatnonzero(truth.is_clean)).prune().is_outlier.mean() <= 0.005


def test_prune__leaves_classes_without_junk_alone_beside_others_with_much(truth: Truth) -> None:
    without = np.isin(truth.label, np.unique(truth.label)[::2])
    some = truth.at(np.flatnonzero(~(without & truth.is_junk)))
    result = some.prune()
    is_spared = np.isin(some.label, np.unique(truth.label)[::2])
    assert result.is_outlier[is_spared].mean() <= MOST_CLEAN
    assert result.is_outlier[some.is_junk].mean() >= 0.85


@pytest.mark.parametrize("part", range(2))
def test_prune__is_nearly_as_good_on_half_of_the_photos(truth: Truth, part: int) -> None:
    half = truth.at(np.sort(np.random.default_rng(1).permutation(len(truth.label))[part::2]))
    result = half.prune()
    assert half.f1(result) >= 0.88
    assert result.is_outlier[half.is_clean].mean() <= MOST_CLEAN


def test_prune__finds_junk_of_kinds_that_no_other_species_has(truth: Truth) -> None:
    kinds = np.unique([kind.partition(":")[2] for kind in truth.kind[truth.is_series]])
    lonely = ~truth.is_series & np.isin([kind.partition(":")[2] for kind in truth.kind], kinds)
    some = truth.at(np.flatnonzero(~lonely))
    assert some.prune().is_outlier[some.is_series].mean() >= 0.7


def test_find_suspects__finds_photos_of_another_species(truth: Truth) -> None:
    wrong = truth.kind == "mislabel"
    outliers = truth.prune().is_outlier
    found = find_suspects(truth.label, truth.features, truth.observer, LabelSettings(), outliers)
    assert found.is_suspected[wrong].mean() >= 0.8
    assert found.is_suspected[truth.is_clean].mean() <= 0.03
