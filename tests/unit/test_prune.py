"""Pruning: what is flagged, what survives, and the rules that hold for every input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from mushroom_tasks.curation.neighbours import by_others, distances, k_distances, unit
from mushroom_tasks.curation.prune import NOISE, STRAY_CLUSTER, Pruning, outlier_score, prune
from mushroom_tasks.errors import CurationError
from mushroom_tasks.settings import PruningSettings

FEATURES = 64
DEFAULTS = PruningSettings()


class Photos:
    """Synthetic photos: groups around directions in feature space, each with its observers."""

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.classes: list[str] = []
        self.groups: list[str] = []
        self.observers: list[int] = []
        self.features: list[NDArray[np.float64]] = []

    def add(self, name: str, group: str, count: int, observers: list[int], spread: float = 0.6) -> Photos:
        centre = unit(self.random.normal(size=(1, FEATURES)))[0]
        offsets = unit(self.random.normal(size=(count, FEATURES)))
        self.features += list(centre + spread * offsets)
        self._label(name, group, count, observers)
        return self

    def add_junk(self, name: str, count: int, observers: list[int]) -> Photos:
        self.features += list(self.random.normal(size=(count, FEATURES)))
        self._label(name, "junk", count, observers)
        return self

    def _label(self, name: str, group: str, count: int, observers: list[int]) -> None:
        self.classes += [name] * count
        self.groups += [group] * count
        self.observers += [observers[i % len(observers)] for i in range(count)]

    def arrays(self) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.int64]]:
        return np.array(self.classes), np.array(self.features, np.float32), np.array(self.observers, np.int64)

    def prune(self, **changes: Any) -> Pruning:
        return prune(*self.arrays(), PruningSettings(**changes))

    def rows(self, name: str, group: str) -> NDArray[np.bool_]:
        return (np.array(self.classes) == name) & (np.array(self.groups) == group)


def forest() -> Photos:
    """Three clean species of several people, so that the data set has something to say about each."""
    photos = Photos()
    for number, name in enumerate(("alba", "badia", "cervina")):
        photos.add(name, "main", 40, list(range(10 * number, 10 * number + 10)))
    return photos


def test_prune__flags_scattered_junk_as_noise() -> None:
    photos = forest().add_junk("alba", 5, [1, 2, 3, 4, 5])
    result = photos.prune()
    junk = photos.rows("alba", "junk")
    assert result.is_outlier[junk].all()
    assert set(result.reason[junk]) == {NOISE}
    assert (result.cluster_label[junk] == -1).all()


def test_prune__keeps_typical_photos() -> None:
    photos = forest().add_junk("alba", 5, [1, 2, 3, 4, 5])
    kept = ~photos.prune().is_outlier
    for name in ("alba", "badia", "cervina"):
        assert kept[photos.rows(name, "main")].mean() >= 0.95


def test_prune__flags_a_dense_series_by_one_observer_as_stray_cluster() -> None:
    photos = forest().add("badia", "series", 9, [77], spread=0.1)
    result = photos.prune()
    series = photos.rows("badia", "series")
    assert set(result.reason[series]) == {STRAY_CLUSTER}
    assert len(set(result.cluster_label[series])) == 1
    assert result.cluster_label[series].min() > 0


def test_prune__flags_a_small_far_cluster_of_two_observers_as_stray_cluster() -> None:
    photos = forest().add("badia", "series", 10, [77, 78], spread=0.1)
    result = photos.prune()
    series = photos.rows("badia", "series")
    assert set(result.reason[series]) == {STRAY_CLUSTER}
    assert (result.outlier_score[series] > 0.5).all()


def test_prune__keeps_a_second_look_that_several_people_photographed() -> None:
    photos = forest().add("badia", "underside", 12, [11, 12, 13, 14, 60, 61], spread=0.5)
    result = photos.prune()
    second = photos.rows("badia", "underside")
    assert not result.is_outlier[second].any()
    assert set(result.cluster_label[second]) == {1}
    assert result.report["badia"].clusters == 2


def test_prune__keeps_a_large_cluster_of_few_observers() -> None:
    photos = forest().add("badia", "elsewhere", 30, [77, 78, 79], spread=0.5)
    result = photos.prune()
    assert not result.is_outlier[photos.rows("badia", "elsewhere")].any()


def test_prune__main_cluster_is_label_0() -> None:
    photos = forest().add("badia", "underside", 12, [11, 12, 13, 14, 60, 61], spread=0.5)
    result = photos.prune()
    assert (result.cluster_label[photos.rows("badia", "main") & ~result.is_outlier] == 0).all()


def test_prune__does_not_need_a_crowd_where_one_observer_took_most_photos() -> None:
    photos = forest().add("deserta", "main", 30, [500]).add_junk("deserta", 3, [501, 502, 503])
    result = photos.prune()
    assert result.is_outlier[photos.rows("deserta", "main")].mean() <= 0.05
    assert result.is_outlier[photos.rows("deserta", "junk")].all()


def test_prune__leaves_small_classes_alone() -> None:
    photos = forest().add("rara", "main", 5, [1, 2, 3]).add_junk("rara", 4, [4, 5])
    result = photos.prune()
    rara = np.array(photos.classes) == "rara"
    assert not result.is_outlier[rara].any()
    assert (result.outlier_score[rara] == 0).all()
    assert "rara" not in result.eps_by_class
    assert result.report["rara"].eps is None


@pytest.mark.parametrize("share", [0.05, 0.1, 0.35])
def test_prune__never_exceeds_max_pruned_share_and_takes_the_most_outlying(share: float) -> None:
    photos = forest().add_junk("alba", 25, list(range(300, 325)))
    result = photos.prune(max_pruned_share=share)
    alba = np.array(photos.classes) == "alba"
    pruned, scores = result.is_outlier[alba], result.outlier_score[alba]
    assert 0 < pruned.sum() <= share * alba.sum()
    assert scores[pruned].min() >= scores[~pruned].max()
    held_back = result.report["alba"].held_back
    assert held_back == ((scores > 0.5) & ~pruned).sum()


def test_prune__fixed_eps_holds_for_every_class() -> None:
    result = forest().prune(eps=0.7)
    assert result.eps_by_class == {"alba": 0.7, "badia": 0.7, "cervina": 0.7}


def test_prune__tiny_eps_prunes_no_more_than_the_limit() -> None:
    result = forest().prune(eps=1e-6)
    assert 0 < result.is_outlier.sum() <= 0.35 * len(result.is_outlier)


def test_prune__identical_photos_are_typical() -> None:
    features = np.tile(np.arange(1, 9, dtype=np.float32), (30, 1))
    result = prune(np.full(30, "alba"), features, np.arange(30), DEFAULTS)
    assert not result.is_outlier.any()


def test_prune__takes_integer_classes() -> None:
    classes, features, observers = forest().arrays()
    _, numbers = np.unique(classes, return_inverse=True)
    assert set(prune(numbers, features, observers, DEFAULTS).eps_by_class) == {"0", "1", "2"}


def test_prune__takes_no_photos_at_all() -> None:
    result = prune(np.array([], str), np.empty((0, 8), np.float32), np.array([], np.int64), DEFAULTS)
    assert result.is_outlier.shape == (0,)
    assert result.report == {}


def test_prune__length_of_features_does_not_matter() -> None:
    classes, features, observers = forest().add_junk("alba", 5, [1, 2, 3]).arrays()
    lengths = np.float32(2.0) ** np.random.default_rng(1).integers(-3, 4, size=(len(features), 1))
    first = prune(classes, features, observers, DEFAULTS)
    second = prune(classes, features * lengths, observers, DEFAULTS)
    assert (first.is_outlier == second.is_outlier).all()


def test_prune__changes_no_input() -> None:
    inputs = forest().add_junk("alba", 5, [1, 2, 3]).arrays()
    copies = [part.copy() for part in inputs]
    for part in inputs:
        part.flags.writeable = False
    prune(*inputs, DEFAULTS)
    assert all((part == copy).all() for part, copy in zip(inputs, copies, strict=True))


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_prune__row_order_does_not_matter(seed: int) -> None:
    photos = forest().add_junk("alba", 20, [1, 2, 3, 300]).add("badia", "series", 9, [77], spread=0.1)
    classes, features, observers = photos.arrays()
    order = np.random.default_rng(seed).permutation(len(classes))
    here = prune(classes, features, observers, DEFAULTS)
    there = prune(classes[order], features[order], observers[order], DEFAULTS)
    assert (here.cluster_label[order] == there.cluster_label).all()
    assert (here.reason[order] == there.reason).all()
    assert (here.outlier_score[order] == there.outlier_score).all()
    assert here.eps_by_class == there.eps_by_class
    assert here.report == there.report


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_prune__rules_hold_for_any_photos(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 40))
    # Few distinct values, so that photos repeat and distances are equal.
    features = data.draw(arrays(np.float32, (count, 3), elements=st.sampled_from([0.0, 1.0, -1.0, 2.0]))) + np.float32(
        0.5
    )
    classes = data.draw(arrays(np.int64, count, elements=st.integers(0, 2)))
    observers = data.draw(arrays(np.int64, count, elements=st.integers(0, 6)))
    wanted = PruningSettings(
        min_samples=data.draw(st.integers(2, 6)),
        min_class_size=data.draw(st.integers(1, 20)),
        max_pruned_share=data.draw(st.sampled_from([0.01, 0.2, 1.0])),
        eps=data.draw(st.sampled_from([None, 1e-9, 0.5, 2.0])),
    )
    result = prune(classes, features, observers, wanted)
    assert ((result.outlier_score >= 0) & (result.outlier_score <= 1)).all()
    assert (result.outlier_score[result.is_outlier] > 0.5).all()
    assert [reason in (NOISE, STRAY_CLUSTER) for reason in result.reason] == result.is_outlier.tolist()
    assert (result.cluster_label >= -1).all()
    assert (result.cluster_label[result.is_outlier] != 0).all()
    for name in np.unique(classes):
        pruned = result.is_outlier[classes == name]
        assert pruned.sum() <= wanted.max_pruned_share * len(pruned)
        assert not pruned.any() or len(pruned) >= wanted.min_class_size
        report = result.report[str(name)]
        assert report.noise + report.stray_cluster == pruned.sum()


@given(st.lists(st.floats(0, 3), min_size=2, max_size=20), st.floats(1e-3, 2))
def test_outlier_score__rises_with_distance_and_is_half_at_eps(values: list[float], eps: float) -> None:
    scores = outlier_score(np.sort(np.array(values)), eps)
    assert (np.diff(scores) >= 0).all()
    assert outlier_score(np.array([0.0, eps]), eps).tolist() == [0.0, 0.5]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_prune__refuses_unusable_features(bad: float) -> None:
    classes, features, observers = forest().arrays()
    features[7] = bad
    with pytest.raises(CurationError, match=r"1 photos .* row 7"):
        prune(classes, features, observers, DEFAULTS)


def test_prune__refuses_shapes_that_do_not_fit() -> None:
    classes, features, observers = forest().arrays()
    with pytest.raises(CurationError, match=r"Received: \(120,\), \(119, 64\), \(120,\)"):
        prune(classes, features[1:], observers, DEFAULTS)


def test_distances__agree_with_the_definition() -> None:
    features = unit(np.random.default_rng(0).normal(size=(1500, 8)))
    near = distances(features)
    expected = np.linalg.norm(features[:50, None] - features[None, -50:], axis=2)
    assert np.allclose(near[:50, -50:], expected, atol=1e-3)
    assert (np.diag(near) == 0).all()


def test_by_others__photos_of_one_observer_are_no_neighbours() -> None:
    near = distances(unit(np.random.default_rng(0).normal(size=(4, 8))))
    others = by_others(near, np.array([1, 1, 2, 3]))
    assert others[0, 1] > 2
    assert others[0, 2] == near[0, 2]
    assert (np.diag(others) == 0).all()


def test_k_distances__count_the_photo_itself() -> None:
    near = np.array([[0, 1, 2], [1, 0, 1.5], [2, 1.5, 0]], np.float32)
    assert k_distances(near, 2).tolist() == [1, 1, 1.5]
