"""What the rules say, brought together: which finding counts where a photo has several."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mushroom_tasks.curation import judging, reasons
from mushroom_tasks.curation.judging import COLUMNS, Judgement, judge
from mushroom_tasks.errors import CurationError
from mushroom_tasks.manifests import PRUNED
from mushroom_tasks.settings import DuplicateSettings, LabelSettings, PruningSettings

PER_SPECIES, FEATURES = 40, 32
TAXA = (10, 20, 30)


class Photos:
    """Three species of 40 photos by 20 people each, each around a direction of its own; some changed by a test."""

    def __init__(self) -> None:
        draw = np.random.default_rng(3)
        count = PER_SPECIES * len(TAXA)
        self.taxa = np.repeat(TAXA, PER_SPECIES)
        self.observers = np.tile(np.arange(PER_SPECIES) % 20, len(TAXA)) + self.taxa * 100
        centres = np.abs(draw.normal(0, 1, (len(TAXA), FEATURES))) ** 2
        noise = draw.normal(0, 0.25, (count, FEATURES))
        self.embeddings = np.abs(np.repeat(centres, PER_SPECIES, axis=0) + noise).astype(np.float32)
        self.hashes = draw.integers(0, 2**63, count).astype(np.uint64)
        self.sha256 = [f"{number:064x}" for number in range(count)]
        self.is_poor = np.zeros(count, np.bool_)

    def junk(self, row: int) -> None:
        """Make a photo look like nothing else."""
        self.embeddings[row] = 0
        self.embeddings[row, row % FEATURES] = 9

    def copy(self, row: int, of: int) -> None:
        """Make a photo the same file as another."""
        for values in (self.embeddings, self.hashes, self.sha256):
            values[row] = values[of]

    def judge(self, **labels: Any) -> Judgement:
        rows = pa.table(
            {
                "photo_id": 100 + np.arange(len(self.taxa)),
                "taxon_id": self.taxa,
                "observer_id": self.observers,
                "sha256": self.sha256,
            }
        )
        sections = DuplicateSettings(), PruningSettings(), LabelSettings(**labels)
        return judge(rows, self.embeddings.copy(), self.hashes, self.is_poor, *sections)


def column(found: Judgement, name: str) -> list:
    return found.columns[name].to_pylist()


def test_judge__keeps_what_is_typical_and_fills_every_column() -> None:
    found = Photos().judge()

    assert tuple(found.columns.column_names) == COLUMNS
    assert all(found.columns.schema.field(name).type == PRUNED.field(name).type for name in COLUMNS)
    assert sum(column(found, "is_outlier")) <= 3
    assert set(column(found, "reason")) <= reasons.REASONS.keys()
    assert set(column(found, "doubt")) <= {None, *reasons.DOUBTS}
    assert all(score > 0.9 for score in column(found, "label_score"))
    assert set(column(found, "suggested_taxon_id")) <= set(TAXA)
    assert set(column(found, "duplicate_of")) == {None}
    assert set(column(found, "picture")) == {None}
    assert found.report.keys() == {"10", "20", "30"}
    for name in ("is_outlier", "reason", "outlier_score", "cluster_label"):
        assert found.columns[name].null_count == 0


def test_judge__a_copy_shares_what_is_found_of_the_photo_that_stays() -> None:
    photos = Photos()
    photos.copy(7, of=3)
    photos.observers[7] = 5  # uploaded by somebody else
    photos.junk(50)
    photos.copy(55, of=50)
    found = photos.judge()

    assert (column(found, "duplicate_of")[7], column(found, "duplicate_of")[55]) == (103, 150)
    pictures = {row: picture for row, picture in enumerate(column(found, "picture")) if picture is not None}
    assert pictures == {3: 103, 7: 103, 50: 150, 55: 150}
    assert (column(found, "reason")[7], column(found, "is_outlier")[7]) == ("duplicate", True)
    assert not column(found, "is_outlier")[3]
    assert column(found, "reason")[55] == "duplicate"
    for name in ("outlier_score", "label_score", "suggested_taxon_id", "cluster_label"):
        values = column(found, name)
        assert (values[7], values[55]) == (values[3], values[50])
    assert found.report["10"].photos == PER_SPECIES - 1


def test_judge__people_are_asked_about_one_picture_under_two_species() -> None:
    photos = Photos()
    photos.copy(45, of=3)
    found = photos.judge()

    for row in (3, 45):
        assert column(found, "doubt")[row] == reasons.TWO_LABELS
        assert column(found, "duplicate_of")[row] is None
        assert column(found, "picture")[row] == 103
        assert column(found, "reason")[row] != reasons.TWO_LABELS
    assert not column(found, "is_outlier")[3]


@pytest.mark.parametrize("right", [3, 45])
def test_judge__suspects_are_left_out_where_somebody_wants_it(right: int) -> None:
    photos = Photos()
    wrong = 48 - right
    photos.copy(wrong, of=right)
    photos.embeddings[90] = photos.embeddings[50]  # of another species, by another picture
    found = photos.judge(prune_suspects=True)

    assert not column(found, "is_outlier")[right]
    assert column(found, "is_outlier")[wrong]
    assert column(found, "doubt")[right] == column(found, "doubt")[wrong] == reasons.TWO_LABELS
    assert column(found, "is_outlier")[90]
    assert column(found, "reason")[90] in {reasons.SUSPECTED_LABEL, *reasons.PRUNED}
    assert sum(column(found, "is_outlier")) <= 5


def test_judge__a_poor_photo_is_pruned_whatever_it_shows_and_nobody_has_to_look() -> None:
    photos = Photos()
    photos.junk(50)
    photos.is_poor[[4, 50]] = True
    found = photos.judge()

    for row in (4, 50):
        assert (column(found, "is_outlier")[row], column(found, "reason")[row]) == (True, "poor_quality")
        assert column(found, "doubt")[row] is None


def test_judge__the_good_copy_of_a_poor_photo_is_kept() -> None:
    photos = Photos()
    photos.copy(7, of=3)
    photos.is_poor[3] = True
    found = photos.judge()

    assert [column(found, "is_outlier")[row] for row in (3, 7)] == [True, False]
    assert column(found, "reason")[3] == "duplicate"
    assert [column(found, "duplicate_of")[row] for row in (3, 7)] == [107, None]
    assert [column(found, "picture")[row] for row in (3, 7)] == [103, 103]


@pytest.mark.parametrize("value", [0, np.nan, np.inf])
def test_judge__features_that_cannot_be_used_make_a_photo_poor_and_change_nothing_else(
    value: float, caplog: pytest.LogCaptureFixture
) -> None:
    photos = Photos()
    photos.copy(7, of=3)
    photos.embeddings[9] = value
    found = photos.judge()

    assert (column(found, "is_outlier")[9], column(found, "reason")[9]) == (True, "poor_quality")
    for name in ("doubt", "label_score", "suggested_taxon_id", "duplicate_of", "picture"):
        assert column(found, name)[9] is None
    assert found.report["10"].photos == PER_SPECIES - 2
    assert column(found, "duplicate_of")[7] == 103
    assert column(found, "label_score")[7] == column(found, "label_score")[3] > 0.9
    assert sum(column(found, "is_outlier")) <= 5
    assert "1 of 120 photos are all zero or not finite, the first is photo 109" in caplog.text


def test_judge__a_copy_with_features_stands_for_one_without() -> None:
    photos = Photos()
    photos.sha256[7] = photos.sha256[3]
    photos.embeddings[3] = 0
    found = photos.judge()

    assert [column(found, "is_outlier")[row] for row in (3, 7)] == [True, False]
    assert column(found, "duplicate_of")[3] == 107


def test_judge__refuses_many_photos_whose_features_cannot_be_used() -> None:
    photos = Photos()
    photos.embeddings[[5, 60]] = 0
    with pytest.raises(CurationError, match=r"features of 2 of 120 photos are all zero or not finite.* photo 105"):
        photos.judge()


def test_judge__copes_with_few_photos_none_of_which_can_be_used() -> None:
    rows = pa.table({"photo_id": [1, 2], "taxon_id": [10, 20], "observer_id": [1, 2], "sha256": ["a", "b"]})
    sections = DuplicateSettings(), PruningSettings(), LabelSettings()
    hashes = np.array([1, 2**40 - 1], np.uint64)
    found = judge(rows, np.zeros((2, FEATURES), np.float32), hashes, np.zeros(2, np.bool_), *sections)

    assert column(found, "reason") == ["poor_quality"] * 2
    assert column(found, "is_outlier") == [True, True]
    assert found.report == {}


def test_judge__moves_the_features_of_what_stays_together_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = Photos()
    for row in (0, 7, 8, 55):
        photos.copy(row, of=row + 10)
    whole = photos.judge()
    monkeypatch.setattr(judging, "_BLOCK", 9)

    assert photos.judge() == whole
    without = np.delete(np.arange(len(photos.taxa)), [10, 17, 18, 65])
    for name in ("taxa", "observers", "embeddings", "hashes", "is_poor"):
        setattr(photos, name, getattr(photos, name)[without])
    photos.sha256 = [photos.sha256[row] for row in without]
    alone = photos.judge()
    assert column(alone, "label_score") == [column(whole, "label_score")[row] for row in without]
    assert column(alone, "outlier_score") == [column(whole, "outlier_score")[row] for row in without]


def test_judge__a_wrong_species_is_suspected() -> None:
    photos = Photos()
    for row in (5, 6):
        photos.taxa[row] = 30
    found = photos.judge()

    for row in (5, 6):
        assert column(found, "doubt")[row] == reasons.SUSPECTED_LABEL
        assert column(found, "suggested_taxon_id")[row] == 10
        assert column(found, "label_score")[row] < 0.1
        assert column(found, "outlier_score")[row] is not None
    suspected = [doubt for doubt in column(found, "doubt") if doubt == reasons.SUSPECTED_LABEL]
    assert len(suspected) == pytest.approx(2, abs=2)


def test_judge__changes_no_input_but_the_features() -> None:
    photos, same = Photos(), Photos()
    photos.copy(45, of=3)
    same.copy(45, of=3)
    photos.judge()

    for name in ("hashes", "taxa", "observers", "is_poor"):
        np.testing.assert_array_equal(getattr(photos, name), getattr(same, name))
