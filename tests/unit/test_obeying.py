"""A data set obeys people: which rows a decision touches, and what it changes in them."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pruned_photos import noise, pruned_photo, pruned_table

from mushroom_tasks.curation.reasons import VERDICTS
from mushroom_tasks.curation.review import DECISIONS, obey
from mushroom_tasks.manifests import PRUNED

AMANITA, BOLETUS = 48715, 48717


def decided(*rows: tuple[int, int, str], by: str = "ann") -> pa.Table:
    when = datetime(2026, 11, 1, tzinfo=UTC)
    records = [
        {"photo_id": photo, "taxon_id": taxon, "verdict": verdict, "decided_by": by, "decided_at": when}
        for photo, taxon, verdict in rows
    ]
    return pa.Table.from_pylist(records, schema=DECISIONS)


@pytest.mark.parametrize(
    ("verdict", "of_kept", "of_pruned"),
    [("keep", False, False), ("prune", True, True), ("wrong_species", True, True), ("not_sure", False, True)],
)
def test_obey__a_verdict_overrules_the_rules_but_not_their_reason(verdict: str, of_kept: bool, of_pruned: bool) -> None:
    rows = pruned_table(pruned_photo(2), noise(4), pruned_photo(6))
    obeyed = obey(rows, decided((2, AMANITA, verdict), (4, AMANITA, verdict)))

    assert obeyed.rows["is_outlier"].to_pylist() == [of_kept, of_pruned, False]
    assert obeyed.rows["decision"].to_pylist() == [verdict, verdict, None]
    assert obeyed.rows["reason"].to_pylist() == ["typical", "noise", "typical"]
    assert obeyed.rows.schema.names == PRUNED.names
    obeyed.rows.cast(PRUNED)


def test_obey__a_decision_on_another_species_or_photo_touches_nothing() -> None:
    rows = pruned_table(noise(1), noise(2))
    obeyed = obey(rows, decided((1, AMANITA, "keep"), (2, BOLETUS, "keep"), (3, BOLETUS, "keep")))

    assert obeyed.rows.equals(rows)
    assert obeyed.decisions.num_rows == 0
    assert obeyed.content is None


def test_obey__the_content_tells_what_was_decided_not_by_whom() -> None:
    rows = pruned_table(noise(1), noise(2), noise(3))
    first = obey(rows, decided((1, BOLETUS, "keep"), (2, AMANITA, "prune")))
    other_order = obey(rows.take([2, 0, 1]), decided((2, AMANITA, "prune"), (1, BOLETUS, "keep"), by="bob"))
    beside = obey(rows, decided((1, BOLETUS, "keep"), (2, AMANITA, "prune"), (99, AMANITA, "keep")))
    changed = obey(rows, decided((1, BOLETUS, "keep"), (2, AMANITA, "keep")))

    assert first.content == other_order.content == beside.content
    assert len({first.content, changed.content, obey(rows, decided((1, BOLETUS, "keep"))).content}) == 3


# --- one picture, one photo


def kept_of(rows: pa.Table) -> list[int]:
    return [row["photo_id"] for row in rows.to_pylist() if not row["is_outlier"]]


def copy(photo_id: int, picture: int, **changes: object) -> dict[str, object]:
    return noise(photo_id, picture=picture, **{"reason": "duplicate", "duplicate_of": picture, **changes})


def test_obey__a_photo_that_a_person_kept_replaces_the_one_of_the_same_picture_in_another_split() -> None:
    rows = pruned_table(
        pruned_photo(2, picture=2, split="train"), copy(4, 2, split="test"), copy(6, 2, split="validation"),
        pruned_photo(8, split="test"),
    )  # fmt: skip
    obeyed = obey(rows, decided((4, AMANITA, "keep")))

    assert kept_of(obeyed.rows) == [4, 8]
    assert obeyed.rows["decision"].to_pylist() == [None, "keep", None, None]
    assert obeyed.rows["reason"].to_pylist() == rows["reason"].to_pylist()


def test_obey__a_picture_of_two_species_is_kept_as_the_one_that_people_chose() -> None:
    rows = pruned_table(*(noise(photo, picture=1, reason="two_labels", doubt="two_labels") for photo in (1, 2)))

    assert kept_of(obey(rows, decided()).rows) == []
    assert kept_of(obey(rows, decided((2, AMANITA, "keep"))).rows) == [2]
    assert kept_of(obey(rows, decided((2, AMANITA, "keep"), (1, BOLETUS, "wrong_species"))).rows) == [2]


def test_obey__of_several_that_people_kept_the_lowest_id_stays_and_the_rest_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = pruned_table(
        copy(9, 3, split="test"), noise(6, picture=3, reason="two_labels"), pruned_photo(3, picture=3),
        copy(12, 10, split="test"), pruned_photo(10, picture=10),
    )  # fmt: skip
    obeyed = obey(rows, decided((9, BOLETUS, "keep"), (6, AMANITA, "keep"), (10, AMANITA, "keep")))

    assert kept_of(obeyed.rows) == [6, 10]
    assert "1 photos that people kept are left out" in caplog.text
    assert "same picture: 9" in caplog.text


def test_obey__a_photo_that_nobody_could_tell_is_not_kept_by_a_person() -> None:
    rows = pruned_table(pruned_photo(2, picture=2), copy(4, 2))
    obeyed = obey(rows, decided((2, AMANITA, "not_sure"), (4, AMANITA, "keep")))
    assert kept_of(obeyed.rows) == [4]


keys = st.tuples(st.integers(1, 12), st.sampled_from([AMANITA, BOLETUS]))


@given(st.dictionaries(keys, st.sampled_from(sorted(VERDICTS))), st.randoms())
def test_obey__neither_the_order_of_rows_nor_of_decisions_matters(
    verdicts: dict[tuple[int, int], str], random: object
) -> None:
    rows = [
        (noise if photo_id % 3 else pruned_photo)(photo_id, picture=None if photo_id < 4 else 4 + photo_id % 2)
        for photo_id in range(1, 11)
    ]
    given_rows = [(*photo, verdict) for photo, verdict in verdicts.items()]
    straight = obey(pruned_table(*rows), decided(*given_rows)).rows
    random.shuffle(given_rows)  # type: ignore[attr-defined]
    shuffled = obey(pruned_table(*reversed(rows)), decided(*given_rows)).rows.sort_by("photo_id")

    assert shuffled.equals(straight)
    for row in straight.to_pylist():
        assert row["decision"] == verdicts.get((row["photo_id"], row["taxon_id"]))
    pictures = [row["picture"] for row in straight.to_pylist() if row["picture"] and not row["is_outlier"]]
    assert len(pictures) == len(set(pictures))
