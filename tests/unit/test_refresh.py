"""What a refreshed data set has that the one before it had not."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mushroom_tasks.curation.dataset.refresh import Counts, compare, report

Rows = dict[int, tuple[str, str]]  # photo_id: scientific name, split


def table(rows: Rows, pruned: Collection[int] = ()) -> pa.Table:
    return pa.table(
        {
            "photo_id": pa.array(list(rows), pa.int64()),
            "scientific_name": pa.array([name for name, _ in rows.values()], pa.string()),
            "split": pa.array([split for _, split in rows.values()], pa.string()),
            "is_outlier": pa.array([photo_id in pruned for photo_id in rows], pa.bool_()),
        }
    )


BEFORE: Rows = {
    1: ("Amanita muscaria", "train"),
    2: ("Amanita muscaria", "test"),
    3: ("Amanita muscaria", "train"),
    4: ("Boletus edulis", "train"),
    5: ("Boletus edulis", "train"),
    6: ("Verpa bohemica", "test"),
}
NOW: Rows = {
    1: ("Amanita muscaria", "train"),
    4: ("Amanita muscaria", "train"),
    5: ("Boletus edulis", "test"),
    6: ("Verpa bohemica", "test"),
    7: ("Boletus edulis", "validation"),
}


def test_compare__counts_each_kind_of_change() -> None:
    changes = compare(table(BEFORE), table(NOW), [2, 99], previous="ab12", current="cd34")

    assert changes.totals == Counts(before=6, now=5, added=1, withdrawn=1, left=1, moved=1, resplit=1)
    assert changes.species == {
        "Amanita muscaria": Counts(before=3, now=2, withdrawn=1, left=1, moved=1),
        "Boletus edulis": Counts(before=2, now=2, added=1, resplit=1),
    }


def test_compare__finds_nothing_where_nothing_changed() -> None:
    changes = compare(table(BEFORE), table(BEFORE), [], previous="ab12", current="cd34")

    assert changes.totals == Counts(before=6, now=6)
    assert changes.species == {}


def test_compare__counts_photos_that_are_pruned_or_kept_now() -> None:
    changes = compare(table(BEFORE, pruned={3, 4}), table(NOW, pruned={1, 5, 7}), [], previous="ab12", current="cd34")

    assert (changes.totals.pruned, changes.totals.restored) == (2, 1)
    assert changes.species["Amanita muscaria"].restored == 1
    assert changes.species["Boletus edulis"].pruned == 1


def test_compare__pruning_alone_is_a_change() -> None:
    changes = compare(table(BEFORE), table(BEFORE, pruned={6}), [], previous="ab12", current="cd34")

    assert changes.species == {"Verpa bohemica": Counts(before=1, now=1, pruned=1)}
    assert "1 are pruned that were kept, and 0 are kept that were pruned" in report(changes)


species = st.sampled_from(["Amanita muscaria", "Boletus edulis", "Verpa bohemica"])
splits = st.sampled_from(["train", "validation", "test"])
data_sets = st.dictionaries(st.integers(1, 40), st.tuples(species, splits), max_size=30)


@given(data_sets, data_sets, st.sets(st.integers(1, 40)))
def test_compare__accounts_for_every_photo(before: Rows, now: Rows, withdrawn: set[int]) -> None:
    totals = compare(table(before), table(now), withdrawn, previous="a", current="b").totals

    assert totals.now == totals.before + totals.added - totals.withdrawn - totals.left
    assert totals.withdrawn == len((before.keys() - now.keys()) & withdrawn)
    assert totals.moved == sum(before[i][0] != now[i][0] for i in before.keys() & now.keys())


def test_report__shows_names_from_strangers_as_text() -> None:
    before = table({1: ("Evil | <b>name</b>", "train")})
    text = report(compare(before, table(BEFORE), [], previous="ab12", current="cd34"))

    assert "# Data set cd34 beside ab12" in text
    assert "<b>" not in text
    assert "6 photos, 1 before: 5 added, 0 withdrawn" in text
    assert all(line.count(" | ") == 9 for line in text.splitlines() if line.startswith("| "))
