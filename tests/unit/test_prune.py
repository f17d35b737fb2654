"""Pruning: what is flagged, what survives, and the rules that hold for every input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN

from mushroom_tasks.curation import reasons
from mushroom_tasks.curation.features import unit
from mushroom_tasks.curation.pruning.findings import outlier_score
from mushroom_tasks.curation.pruning.prune import Pruning, prune
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

    def direction(self) -> NDArray[np.float32]:
        return unit(self.random.normal(size=(1, FEATURES)))[0]

    def add(
        self,
        name: str,
        group: str,
        count: int,
        observers: list[int],
        spread: float = 0.6,
        centre: NDArray[np.float32] | None = None,
    ) -> Photos:
        centre = self.direction() if centre is None else centre
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
    assert set(result.reason[junk]) == {reasons.NOISE}
    assert (result.cluster_label[junk] == -1).all()


def test_prune__keeps_typical_photos() -> None:
    photos = forest().add_junk("alba", 5, [1, 2, 3, 4, 5])
    result = photos.prune()
    for name in ("alba", "badia", "cervina"):
        main = photos.rows(name, "main")
        assert not result.is_outlier[main].any()
        assert np.mean(result.reason[main] == reasons.TYPICAL) >= 0.95


@pytest.mark.parametrize("seed", range(5))
def test_prune__flags_nothing_where_there_is_no_junk(seed: int) -> None:
    photos = Photos(seed)
    for number in range(6):
        photos.add(f"species {number}", "main", 60, list(range(20 * number, 20 * number + 20)))
    assert photos.prune().is_outlier.mean() <= 0.005


def test_prune__flags_a_dense_series_by_one_observer_as_stray_cluster() -> None:
    photos = forest().add("badia", "series", 9, [77], spread=0.1)
    result = photos.prune()
    series = photos.rows("badia", "series")
    assert set(result.reason[series]) == {reasons.STRAY_CLUSTER}
    assert len(set(result.cluster_label[series])) == 1
    assert result.cluster_label[series].min() > 0


def test_prune__flags_a_small_far_cluster_of_two_observers_as_stray_cluster() -> None:
    photos = forest().add("badia", "series", 10, [77, 78], spread=0.1)
    result = photos.prune()
    series = photos.rows("badia", "series")
    assert set(result.reason[series]) == {reasons.STRAY_CLUSTER}
    assert (result.outlier_score[series] > 0.5).all()


def test_prune__a_series_gives_no_support_to_junk_of_its_kind_by_another_person() -> None:
    photos = forest()
    hands = photos.direction()
    photos.add("badia", "series", 9, [77], spread=0.3, centre=hands).add("badia", "single", 1, [12], 0.3, hands)
    assert photos.prune().is_outlier[photos.rows("badia", "single")].all()


def test_prune__keeps_a_second_look_that_several_people_photographed() -> None:
    photos = forest().add("badia", "underside", 12, [11, 12, 13, 14, 60, 61], spread=0.5)
    result = photos.prune()
    second = photos.rows("badia", "underside")
    assert not result.is_outlier[second].any()
    assert set(result.cluster_label[second]) == {1}
    assert set(result.reason[second]) == {reasons.SECOND_LOOK}
    assert result.report["badia"].clusters == 2


def test_prune__keeps_a_second_look_in_a_data_set_with_junk() -> None:
    photos = forest().add("badia", "underside", 12, [11, 12, 13, 14, 60, 61], spread=0.5)
    hands = photos.direction()
    for number, name in enumerate(("alba", "badia", "cervina")):
        photos.add(name, "hands", 4, list(range(900 + 4 * number, 904 + 4 * number)), spread=1.2, centre=hands)
    result = photos.prune()
    assert not result.is_outlier[photos.rows("badia", "underside")].any()
    assert result.is_outlier[np.array(photos.groups) == "hands"].mean() >= 0.9


def test_prune__puts_a_large_stray_cluster_of_several_people_to_review() -> None:
    photos = forest().add("badia", "elsewhere", 25, [77, 78, 79], spread=0.5)
    result = photos.prune()
    elsewhere = photos.rows("badia", "elsewhere")
    assert not result.is_outlier[elsewhere].any()
    assert set(result.doubt[elsewhere]) == {reasons.HELD_BACK}


def test_prune__flags_junk_that_several_people_took_of_one_species_by_its_likeness_to_junk_elsewhere() -> None:
    photos = Photos(3)
    hands = photos.direction()
    for number in range(8):
        people = list(range(20 * number, 20 * number + 20))
        photos.add(f"species {number}", "main", 60, people)
        photos.add(f"species {number}", "hands", 3 if number else 6, people[3:9], spread=0.55, centre=hands)
    result = photos.prune()
    assert result.is_outlier[photos.rows("species 0", "hands")].all()
    assert reasons.LIKE_JUNK in set(result.reason[photos.rows("species 0", "hands")])
    assert result.is_outlier[np.array(photos.groups) == "main"].mean() <= 0.005


def test_prune__keeps_photos_of_another_species_of_the_data_set_rather_than_junk() -> None:
    photos = Photos(4)
    mushroom, hands = photos.direction(), photos.direction()
    looks = [unit((2 * mushroom + photos.direction())[None])[0] for _ in range(8)]
    for number, look in enumerate(looks):
        people = list(range(20 * number, 20 * number + 20))
        photos.add(f"species {number}", "main", 60, people, spread=0.8, centre=look)
        photos.add(f"species {number}", "hands", 4, people[:4], spread=1.5, centre=hands)
        photos.add(f"species {number}", "wrong", 1, people[:1], spread=0.8, centre=looks[number - 1])
    result = photos.prune()
    wrong, junk = (np.array(photos.groups) == group for group in ("wrong", "hands"))
    assert result.is_outlier[junk].all()
    assert not result.is_outlier[wrong].any()


def test_prune__main_cluster_is_label_0() -> None:
    photos = forest().add("badia", "underside", 12, [11, 12, 13, 14, 60, 61], spread=0.5)
    result = photos.prune()
    main = result.cluster_label[photos.rows("badia", "main")]
    assert np.mean(main == 0) >= 0.95
    assert set(main) <= {0, -1}


def test_prune__does_not_need_a_crowd_where_one_observer_took_most_photos() -> None:
    photos = forest().add("deserta", "main", 30, [500]).add_junk("deserta", 3, [501, 502, 503])
    result = photos.prune()
    assert result.is_outlier[photos.rows("deserta", "main")].mean() <= 0.05
    assert result.is_outlier[photos.rows("deserta", "junk")].all()


def test_prune__finds_junk_in_a_data_set_of_one_species() -> None:
    photos = Photos().add("sola", "main", 80, list(range(30))).add_junk("sola", 5, [3, 4, 5, 6, 7])
    result = photos.prune()
    assert result.is_outlier[photos.rows("sola", "junk")].all()
    assert result.is_outlier[photos.rows("sola", "main")].mean() <= 0.02


def test_prune__leaves_small_classes_alone() -> None:
    photos = forest().add("rara", "main", 5, [1, 2, 3]).add_junk("rara", 4, [4, 5])
    result = photos.prune()
    rara = np.array(photos.classes) == "rara"
    assert not result.is_outlier[rara].any()
    assert set(result.reason[rara]) == {reasons.LEFT_ALONE}
    assert (result.outlier_score[rara] == 0).all()
    assert result.report["rara"].eps is None
    assert result.report["rara"].observers == 5


@pytest.mark.parametrize("limit", [{"max_pruned_share": 0.1}, {"min_kept": 41}])
def test_prune__puts_a_class_beyond_a_limit_to_review_instead(limit: dict[str, Any]) -> None:
    photos = forest().add_junk("alba", 8, list(range(300, 308))).add_junk("badia", 2, [300, 301])
    result = photos.prune(**limit)
    junk = photos.rows("alba", "junk")
    assert not result.is_outlier[np.array(photos.classes) == "alba"].any()
    assert set(result.doubt[junk]) == {reasons.HELD_BACK}
    assert set(result.reason[junk]) == {reasons.NOISE}
    assert result.report["alba"].held_back == 8
    assert result.report["alba"].noise == 0


def test_prune__a_limit_touches_no_other_class() -> None:
    photos = forest().add_junk("alba", 8, list(range(300, 308))).add_junk("badia", 2, [300, 301])
    assert photos.prune(max_pruned_share=0.1).is_outlier[photos.rows("badia", "junk")].all()


def test_prune__names_what_is_near_the_border_for_review() -> None:
    photos = forest().add_junk("alba", 5, [1, 2, 3, 4, 5])
    features, shares = np.array(photos.features), np.linspace(0.4, 0.8, 12)[:, None]
    between = (1 - shares) * unit(features[:12]) + shares * unit(features[-5:])[np.arange(12) % 5]
    photos.features += list(between)
    photos._label("alba", "between", 12, list(range(400, 412)))
    result = photos.prune()
    is_near = (result.outlier_score > 0.1) & (result.outlier_score < 0.9)
    assert is_near.any()
    assert ((result.doubt == reasons.NEAR_BORDER) == is_near).all()
    assert sum(report.near_border for report in result.report.values()) == is_near.sum()


def test_prune__report_carries_the_curve_that_crosses_eps_where_core_samples_end() -> None:
    photos = forest().add_junk("alba", 5, [1, 2, 3, 4, 5])
    result = photos.prune()
    report = result.report["alba"]
    assert len(report.k_distances) == report.photos == 45
    assert list(report.k_distances) == sorted(report.k_distances)
    alba = np.array(photos.classes) == "alba"
    assert report.eps is not None
    assert np.sum(np.array(report.k_distances) <= report.eps) == np.sum(result.cluster_label[alba] == 0)


def test_prune__curve_of_a_large_class_is_shortened() -> None:
    photos = Photos().add("magna", "main", 450, list(range(90)))
    assert len(photos.prune().report["magna"].k_distances) == 200


def test_prune__fixed_eps_is_plain_dbscan() -> None:
    photos = forest().add_junk("alba", 8, [300]).add("badia", "series", 9, [77], spread=0.1)
    classes, features, _ = photos.arrays()
    result = photos.prune(eps=0.75, min_samples=5)
    for name in ("alba", "badia", "cervina"):
        rows = classes == name
        expected = DBSCAN(eps=0.75, min_samples=5).fit(unit(features[rows])).labels_
        assert (result.is_outlier[rows] == (expected < 0)).all()
        assert (result.cluster_label[rows] < 0).tolist() == (expected < 0).tolist()
        assert set(result.reason[rows & result.is_outlier]) <= {reasons.NOISE}
        assert result.report[name].eps == 0.75
        assert result.report[name].clusters == expected.max() + 1


def test_prune__tiny_fixed_eps_puts_every_class_to_review() -> None:
    result = forest().prune(eps=1e-6)
    assert not result.is_outlier.any()
    assert set(result.doubt) == {reasons.HELD_BACK}


def test_prune__identical_photos_are_typical() -> None:
    features = np.tile(np.arange(1, 9, dtype=np.float32), (30, 1))
    result = prune(np.full(30, "alba"), features, np.arange(30), DEFAULTS)
    assert not result.is_outlier.any()


def test_prune__takes_integer_classes() -> None:
    classes, features, observers = forest().arrays()
    _, numbers = np.unique(classes, return_inverse=True)
    assert set(prune(numbers, features, observers, DEFAULTS).report) == {"0", "1", "2"}


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
    assert (here.doubt[order] == there.doubt).all()
    assert (here.outlier_score[order] == there.outlier_score).all()
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
        min_kept=data.draw(st.integers(0, 10)),
        eps=data.draw(st.sampled_from([None, 1e-9, 0.5, 2.0])),
    )
    result = prune(classes, features, observers, wanted)
    stands_out = result.outlier_score > 0.5
    assert ((result.outlier_score >= 0) & (result.outlier_score <= 1)).all()
    assert ([reason in reasons.PRUNED for reason in result.reason] == stands_out).all()
    assert ((result.doubt == reasons.HELD_BACK) == (stands_out & ~result.is_outlier)).all()
    assert (stands_out | ~result.is_outlier).all()
    assert (result.cluster_label >= -1).all()
    for name in np.unique(classes):
        pruned = result.is_outlier[classes == name]
        assert pruned.sum() <= wanted.max_pruned_share * len(pruned)
        assert not pruned.any() or len(pruned) - pruned.sum() >= wanted.min_kept
        assert not pruned.any() or len(pruned) >= wanted.min_class_size
        report = result.report[str(name)]
        assert report.noise + report.stray_cluster + report.like_junk == pruned.sum()


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
