"""The benchmark of curation: how ways are held against the truth, and what is made of the photos for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from accuracy import accuracy
from curation import whole_stage
from detectors import dbscan_at_knees
from inputs.contamination import contaminated
from inputs.labelled_bucket import LabelledPhotos, find_bucket
from numpy.typing import NDArray
from rankings import joins, label_errors
from scoring import Found, best_threshold, by_kind, f1, quality_of

SPECIES = ("alba", "badia", "cervina", "deliciosa")


def photos(clean: int = 40, scattered: int = 20, series: int = 6) -> LabelledPhotos:
    """Four species, of which the first has single junk and the second a series; one photo is filed wrongly."""
    parts = [(name, name, "clean", clean) for name in SPECIES]
    parts += [("alba", "alba", "junk:hands", scattered), ("badia", "badia", "clump:scenery", series)]
    parts += [("cervina", "deliciosa", "mislabel", 1)]
    labels, shown, kinds = ([part[i] for part in parts for _ in range(part[3])] for i in range(3))
    count = len(labels)
    random = np.random.default_rng(0)
    centres = dict(zip([*SPECIES, "junk:hands", "clump:scenery"], 3 * random.normal(size=(6, 8)), strict=True))
    looks = [name if kind in ("clean", "mislabel") else kind for name, kind in zip(shown, kinds, strict=True)]
    features = np.array([centres[look] for look in looks]) + random.normal(size=(count, 8))
    observers = np.where(np.array(kinds) == "clump:scenery", 99, np.arange(count) % 9)
    names = np.array([str(i) for i in range(count)])
    return LabelledPhotos(
        Path(), np.arange(count), names, names, np.array(labels), np.array(shown), np.array(kinds), observers,
        np.zeros(count, np.uint64), np.zeros(count, bool), features.astype(np.float32),
    )  # fmt: skip


def rows(data: LabelledPhotos, kind: str) -> NDArray[np.bool_]:
    return np.char.startswith(data.kinds, kind)


def test_quality_of__counts_each_kind_apart() -> None:
    data = photos()
    flagged = rows(data, "junk").copy()
    flagged[np.flatnonzero(rows(data, "clump"))[:4]] = True  # most of the series
    flagged[np.flatnonzero(data.is_clean & (data.labels == "cervina"))[:10]] = True
    found = quality_of(data, Found("some", flagged, flagged.astype(float)))
    assert found.precision == pytest.approx(24 / 34)
    assert found.recall == pytest.approx(24 / 26)
    assert found.f1 == pytest.approx(2 * 24 / (34 + 26))
    assert (found.clumps_found, found.clumps) == (1, 1)
    assert (found.scattered, found.mislabelled) == (1, 0)
    assert found.clumped == pytest.approx(4 / 6)
    assert found.clean == pytest.approx(10 / 160)
    assert found.worst == pytest.approx(10 / 40)


def test_quality_of__half_of_a_series_is_not_found() -> None:
    data = photos()
    flagged = np.zeros(len(data.labels), bool)
    flagged[np.flatnonzero(rows(data, "clump"))[:3]] = True
    assert quality_of(data, Found("some", flagged, flagged.astype(float))).clumps_found == 0


def test_quality_of__without_junk_only_what_is_spared_counts() -> None:
    data = photos(scattered=0, series=0)
    found = quality_of(data, Found("none", np.zeros(len(data.labels), bool), np.zeros(len(data.labels))))
    assert np.isnan([found.precision, found.recall, found.f1, found.average_precision]).all()
    assert (found.clean, found.worst) == (0, 0)


def test_by_kind__counts_no_other_kind_as_hit_or_mistake() -> None:
    data = photos()
    flagged = rows(data, "junk") | rows(data, "clump")
    flagged[np.flatnonzero(rows(data, "junk"))[:5]] = False
    flagged[np.flatnonzero(data.is_clean)[:5]] = True
    found = by_kind(data, Found("some", flagged, flagged.astype(float)))
    assert found["scattered"].precision == pytest.approx(15 / 20)
    assert found["scattered"].recall == pytest.approx(15 / 20)
    assert found["clumped"].precision == pytest.approx(6 / 11)
    assert found["clumped"].average_precision == pytest.approx(6 / 11)
    assert (found["mislabelled"].f1, found["mislabelled"].recall) == (0, 0)


def test_dbscan_at_knees__takes_the_eps_of_each_class() -> None:
    data = photos()
    eps = dict.fromkeys(SPECIES, 2.0) | {"badia": 1e-9}
    noise, others = dbscan_at_knees(data, eps)
    assert noise.flagged[data.labels == "badia"].all()
    assert not (noise.flagged | others.flagged)[data.labels != "badia"].any()


def test_whole_stage__leaves_the_photos_to_the_ways_that_come_after() -> None:
    data = photos()
    data.embeddings.flags.writeable = False  # as those of a table are
    found, kept = whole_stage(data)
    assert kept.any()
    assert not (found.flagged & kept).any()


def test_best_threshold__is_the_best_of_all() -> None:
    random = np.random.default_rng(1)
    wanted = random.random(60) < 0.3
    score = np.round(random.normal(size=60) + wanted, 1)
    flagged = best_threshold(score, wanted)
    assert score[flagged].min() > score[~flagged].max()
    assert f1(flagged, wanted) == max(f1(score >= value, wanted) for value in score)


@pytest.mark.parametrize(("share", "classes"), [(0.05, 4), (0.15, 3), (0.3, 1)])
def test_contaminated__has_the_share_in_as_many_classes_as_the_junk_suffices_for(share: float, classes: int) -> None:
    data = photos()
    for seed in range(5):
        some = contaminated(data, share, seed)
        with_junk = np.unique(some.labels[some.is_junk])
        among = np.isin(some.labels, with_junk)
        assert 1 <= len(with_junk) <= classes
        assert some.is_junk.sum() == round(share / (1 - share) * 40 * classes)
        assert len(set(some.photo_ids)) == len(some.photo_ids)
        assert (np.diff(some.photo_ids) > 0).all()
        assert some.is_clean.sum() == 160
        assert not some.is_mislabelled.any()
        assert all(len(set(some.labels[series])) == 1 for series in some.clumps)
        assert (some.labels[some.is_clean] == some.true_labels[some.is_clean]).all()
        assert among.any()


def test_contaminated__is_drawn_anew_for_each_seed_and_always_the_same_for_one() -> None:
    data = photos()
    first, again, other = (contaminated(data, 0.15, seed) for seed in (1, 1, 2))
    assert (first.labels == again.labels).all()
    assert (first.photo_ids == again.photo_ids).all()
    assert len(first.labels) != len(other.labels) or (first.labels != other.labels).any()


def test_contaminated__zero_leaves_clean_photos_alone() -> None:
    assert set(contaminated(photos(), 0.0, 0).kinds) == {"clean"}


def test_joins__is_the_longest_step_on_the_way_to_the_crowd() -> None:
    line = np.array([[0.0], [1], [2], [3], [4], [7], [8], [20]], np.float32)
    assert joins(line).tolist() == [1, 1, 1, 1, 1, 3, 3, 12]


def test_label_errors__rank_a_wrong_label_first() -> None:
    data = photos()
    found = label_errors(data)
    assert found.score.argmax() == np.flatnonzero(data.is_mislabelled)[0]
    assert found.flagged[data.is_mislabelled].all()


def test_accuracy__tests_clean_photos_alone_and_learns_from_what_is_kept() -> None:
    data = photos()
    everything = np.ones(len(data.labels), bool)
    assert accuracy(data, everything) > 0.95
    without = everything & (data.labels != "alba")
    assert accuracy(data, without) <= 0.75


def test_find_bucket__says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSHROOM_TEST_BUCKET", str(tmp_path))
    with pytest.raises(SystemExit, match=r"There is no .*photos\.csv\.gz.*MUSHROOM_TEST_BUCKET"):
        find_bucket()
    (tmp_path / "photos.csv.gz").touch()
    with pytest.raises(SystemExit, match=r"There is no .*truth\.csv"):
        find_bucket()
