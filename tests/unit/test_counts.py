"""Counts of photos: why each is left out, as the card, the overview and MLflow have it."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pruned_photos import noise, pruned_photo, pruned_table

from mushroom_tasks.curation.counts import left_out_for, tally
from mushroom_tasks.curation.reasons import BY_PEOPLE, DOUBTS, KEEP, PRUNED, REASONS, VERDICTS
from mushroom_tasks.curation.review import DECISIONS, obey

AMANITA, BOLETUS = 48715, 48717


def decided(verdicts: dict[int, str]) -> pa.Table:
    when = datetime(2026, 11, 1, tzinfo=UTC)
    rows = [
        {"photo_id": photo, "taxon_id": (AMANITA, BOLETUS)[photo % 2], "verdict": verdict, "decided_by": "ann",
         "decided_at": when}
        for photo, verdict in verdicts.items()
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=DECISIONS)


def codes(rows: list[dict[str, object]], **verdicts: str) -> pa.ChunkedArray:
    """Why each of some rows is left out, once `p3="keep"` was decided of photo 3."""
    table = pruned_table(*rows)
    return left_out_for(obey(table, decided({int(name[1:]): verdict for name, verdict in verdicts.items()})).rows)


def test_tally__counts_values_in_order() -> None:
    assert tally(pa.chunked_array([["b", "a"], ["b"]])) == {"a": 1, "b": 2}
    assert tally(pa.chunked_array([[]], pa.string())) == {}


@pytest.mark.parametrize(
    ("verdict", "kept_by_rules", "pruned_by_rules", "held_back"),
    [
        ("keep", None, None, None),
        ("prune", "by_person", "noise", "by_person"),
        ("wrong_species", "by_person", "noise", "by_person"),
        ("not_sure", None, "noise", None),
    ],
)
def test_left_out__by_the_rules_or_by_people(
    verdict: str, kept_by_rules: str | None, pruned_by_rules: str | None, held_back: str | None
) -> None:
    rows = [pruned_photo(2), noise(4), pruned_photo(6, reason="noise", doubt="held_back")]
    assert codes(rows).to_pylist() == [None, "noise", None]
    found = codes(rows, p2=verdict, p4=verdict, p6=verdict)
    assert found.to_pylist() == [kept_by_rules, pruned_by_rules, held_back]


def test_left_out__because_people_kept_another_photo_of_the_same_picture() -> None:
    """Neither the rules nor anybody's verdict speak against 2 and 10; 9 was kept, but so was 6, which stays."""
    copy = {"reason": "duplicate", "duplicate_of": 2}
    rows = [
        pruned_photo(2, picture=2), noise(4, picture=2, **copy),
        noise(6, picture=6), noise(9, picture=6),
        pruned_photo(10, picture=10), noise(12, picture=10, reason="duplicate", duplicate_of=10),
        pruned_photo(14),
    ]  # fmt: skip
    found = codes(rows, p4="keep", p6="keep", p9="keep", p10="not_sure", p12="keep")

    assert found.to_pylist() == ["same_picture", None, None, "same_picture", "same_picture", None, None]
    assert tally(found.drop_null()) == {"same_picture": 3}


def test_left_out__a_copy_that_the_rules_or_a_person_left_out_is_counted_there() -> None:
    rows = [
        pruned_photo(2, picture=2),
        noise(4, picture=2, reason="duplicate", duplicate_of=2),
        noise(6, picture=2, reason="duplicate", duplicate_of=2),
    ]
    assert codes(rows, p2="prune", p4="keep").to_pylist() == ["by_person", None, "duplicate"]


kinds = st.sampled_from(
    [(reason, doubt) for reason in REASONS for doubt in (None, *DOUBTS) if doubt == "held_back" or reason not in DOUBTS]
)


@given(st.lists(st.tuples(kinds, st.integers(1, 4) | st.none(), st.sampled_from([None, *VERDICTS])), min_size=1))
def test_left_out__every_photo_that_is_left_out_has_one_cause_and_no_other(rows: list[tuple]) -> None:
    photos, verdicts = [], {}
    for photo_id, ((reason, doubt), picture, verdict) in enumerate(rows, 1):
        by_rules = reason in PRUNED and doubt != "held_back"
        photos.append(pruned_photo(photo_id, reason=reason, doubt=doubt, picture=picture, is_outlier=by_rules))
        if verdict is not None:
            verdicts[photo_id] = verdict
    table = obey(pruned_table(*photos), decided(verdicts)).rows
    for row, code in zip(table.to_pylist(), left_out_for(table).to_pylist(), strict=True):
        assert (code is not None) == row["is_outlier"]
        assert code is None or code in PRUNED | BY_PEOPLE
        if row["decision"] == KEEP:
            assert code in (None, "same_picture")
        if code == "by_person":
            assert row["decision"] in ("prune", "wrong_species")
        if code == "same_picture":
            assert row["picture"] is not None
