"""What the report counts, and which photos it chooses to show."""

from __future__ import annotations

import numpy as np
import pytest
from report_rows import FLY_AGARIC, PENNY_BUN, RARE, mixed, row, table

from mushroom_tasks.curation.report import choosing
from mushroom_tasks.curation.report.class_table import CLASS_RESULTS, class_table, split_json, summary
from mushroom_tasks.curation.report.content import Curve, ReportContent, read_content
from mushroom_tasks.curation.report.facts import Facts
from mushroom_tasks.curation.report.outcomes import outcome_of
from mushroom_tasks.errors import CurationError

CURVES = {FLY_AGARIC: Curve((0.1, 0.2, 0.9), 0.5, 40), PENNY_BUN: Curve((0.1, 0.3), 0.6, 20)}


@pytest.fixture(scope="module")
def content() -> ReportContent:
    return read_content(Facts(mixed()), CURVES, [], photos_per_class=12, max_photos=1_000)


def photo_ids(content: ReportContent, rows: np.ndarray) -> list[int]:
    return content.facts.photo_id[rows].tolist()


def test_read__counts_what_became_of_every_photo(content: ReportContent) -> None:
    fly_agaric, penny_bun, rare = (
        next(each for each in content.classes if each.taxon_id == taxon) for taxon in (FLY_AGARIC, PENNY_BUN, RARE)
    )

    assert (content.photos, content.pruned, content.suspected, content.twinned) == (63, 7, 2, 1)
    assert (fly_agaric.photos, fly_agaric.pruned, fly_agaric.doubtful) == (40, 6, 4)
    assert (penny_bun.pruned, penny_bun.doubtful, penny_bun.notable) == (1, 1, 2)
    assert rare.curve is None
    assert sum(sum(each.pruned_for.values()) for each in content.classes) == content.pruned
    assert content.poor_for == fly_agaric.poor_for == {"dark": 1}
    assert penny_bun.poor_for == {}


def test_facts__refuses_a_manifest_without_rows() -> None:
    with pytest.raises(CurationError, match="without rows"):
        Facts(table([]))


def test_read__does_not_depend_on_the_order_of_rows(content: ReportContent) -> None:
    rows = mixed()
    shuffled = rows.take(np.random.default_rng(0).permutation(rows.num_rows))
    other = read_content(Facts(shuffled), CURVES, [], photos_per_class=12, max_photos=1_000)

    assert [each.shown_rows() for each in other.classes] == [each.shown_rows() for each in content.classes]
    assert other.by_attention()[0].name == content.by_attention()[0].name


def test_shown__every_reason_has_its_turn_and_no_photo_is_shown_twice(content: ReportContent) -> None:
    shown = next(each for each in content.classes if each.taxon_id == FLY_AGARIC).shown
    reasons = content.facts.reason[shown[choosing.PRUNED]].tolist()

    assert len(set(reasons)) == 4  # of five, in a third of twelve places
    assert len({row for rows in shown.values() for row in rows.tolist()}) == sum(map(len, shown.values())) == 12


def test_shown__doubtful_photos_come_before_those_near_the_border(content: ReportContent) -> None:
    shown = next(each for each in content.classes if each.taxon_id == FLY_AGARIC).shown
    assert set(photo_ids(content, shown[choosing.BORDER])) == {109, 110, 111, 112}


def test_shown__typical_ones_hold_a_second_look(content: ReportContent) -> None:
    shown = next(each for each in content.classes if each.taxon_id == FLY_AGARIC).shown
    assert 108 in photo_ids(content, shown[choosing.TYPICAL])


def test_shown__a_class_that_was_not_judged_has_no_border(content: ReportContent) -> None:
    shown = next(each for each in content.classes if each.taxon_id == RARE).shown

    assert shown[choosing.BORDER].size == 0
    assert sorted(photo_ids(content, shown[choosing.TYPICAL])) == [300, 301, 302]


@pytest.mark.parametrize(
    ("most", "pruned", "kept"), [(9, 4, 5), (9, 40, 40), (9, 40, 2), (9, 0, 40), (1, 5, 5), (0, 3, 3)]
)
def test_shown__fills_the_places_there_are(most: int, pruned: int, kept: int) -> None:
    rows = [row(n, is_outlier=True, reason="noise", outlier_score=0.9) for n in range(1, pruned + 1)]
    rows += [row(n) for n in range(100, 100 + kept)]
    facts = Facts(table(rows))
    shown = choosing.of_class(facts, np.arange(len(rows)), most)

    assert sum(map(len, shown.values())) == min(most, pruned + kept)
    assert len(shown[choosing.PRUNED]) >= min(pruned, most // 3)


def test_shown__many_species_share_the_places(content: ReportContent) -> None:
    few = read_content(Facts(mixed()), CURVES, [], photos_per_class=12, max_photos=9)
    assert max(len(each.shown_rows()) for each in few.classes) == 3


def test_page__holds_the_classes_that_are_most_worth_a_look(content: ReportContent) -> None:
    first = content.by_attention()[0]
    rows = content.rows_of_page(len(first.shown_rows()) + 6)

    assert first.taxon_id == FLY_AGARIC
    assert rows >= set(first.shown_rows())
    assert len(rows) <= len(first.shown_rows()) + 6


def test_suspects__are_the_least_likely_first_with_the_species_they_look_like(content: ReportContent) -> None:
    assert photo_ids(content, content.suspects) == [111, 110]
    (pair,) = content.mixed_up
    assert (pair.label, pair.suggested, pair.photos) == ("Amanita muscaria", "Boletus edulis", 2)


def test_twins__the_photo_that_stands_for_the_others_comes_first(content: ReportContent) -> None:
    assert [photo_ids(content, group) for group in content.twins] == [[107, 106]]


def test_slug__is_made_of_letters_that_every_file_system_takes(content: ReportContent) -> None:
    slugs = {each.slug for each in content.classes}

    assert len(slugs) == len(content.classes)
    assert all(set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for slug in slugs)


def test_table__has_a_row_per_class_and_fits_its_schema(content: ReportContent) -> None:
    made = class_table(content)

    assert made.schema == CLASS_RESULTS
    assert made["pruned"].to_pylist() == [each.pruned for each in content.classes]
    assert made["poor_dark"].to_pylist() == [each.poor_for.get("dark", 0) for each in content.classes]
    assert '"columns": ["taxon_id", "scientific_name"' in split_json(made)


def test_summary__has_the_numbers_of_the_whole(content: ReportContent) -> None:
    metrics = summary(content)

    assert metrics["pruning/photos"] == 63
    assert metrics["pruning/pruned_share"] == pytest.approx(7 / 63)
    assert metrics["pruning/pruned_noise"] == 2
    assert metrics["pruning/poor_dark"] == 1
    assert metrics["pruning/doubt_suspected_label"] == 2
    assert (metrics["pruning/eps_min"], metrics["pruning/eps_max"]) == (0.5, 0.6)


@pytest.mark.parametrize(
    ("photo_id", "kind", "words", "sentence"),
    [
        (100, "kept", "typical", "like most photos of its species"),
        (101, "pruned", "noise", "like no group of photos of its species"),
        (105, "pruned", "poor quality: dark", "the photo is too dark even where it is brightest"),
        (110, "doubt", "suspected label", "looks more like another species of the data set"),
        (112, "doubt", "held back", "stands out, but so much of its species does that people should decide"),
        (201, "pruned", "two labels", "the same picture is there under another species as well"),
    ],
)
def test_outcome__a_doubt_about_a_photo_that_is_kept_stands_above_its_reason(
    content: ReportContent, photo_id: int, kind: str, words: str, sentence: str
) -> None:
    outcome = outcome_of(content.facts, int(np.flatnonzero(content.facts.photo_id == photo_id)[0]))
    assert (outcome.kind, outcome.words) == (kind, words)
    assert outcome.sentence.startswith(sentence)


def test_reasons__are_counted_by_what_became_of_the_photo(content: ReportContent) -> None:
    """A photo that is held back stands out and stays: it is counted among the doubts alone."""
    penny_bun = next(each for each in content.classes if each.taxon_id == PENNY_BUN)

    assert penny_bun.pruned_for == {"two_labels": 1}
    assert penny_bun.kept_as == {"typical": 18}
    assert penny_bun.doubts == {"held_back": 1, "two_labels": 1}


def test_across__joins_each_picture_with_its_like_under_another_species() -> None:
    rows = [row(n, PENNY_BUN if n % 2 else FLY_AGARIC, doubt="two_labels") for n in range(6)]
    facts = Facts(table(rows))
    pictures = np.eye(3, 8, dtype=np.float32)[[0, 0, 1, 1, 2, 2]]
    across = choosing.across_species(facts, choosing.two_labels(facts), pictures)

    assert sorted(group.tolist() for group in across) == [[0, 1], [2, 3], [4, 5]]
    assert [sorted(group.tolist()) for group in choosing.twins(facts, across)] == [[0, 1], [2, 3], [4, 5]]
