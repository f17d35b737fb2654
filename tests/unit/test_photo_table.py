"""What is kept per photo, by id and content."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mushroom_tasks.errors import CurationError
from mushroom_tasks.photo_table import BUCKETS, PhotoTable, shard_of
from mushroom_tasks.storage import Store

MANY = 11  # additions to a bucket, so that its files are merged more than once


def rows(ids: list[int], sha256: str = "a") -> pa.Table:
    return pa.table({"photo_id": pa.array(ids, pa.int64()), "sha256": [f"{sha256}{i}" for i in ids]})


def valued(table: pa.Table, offset: float = 0.0) -> pa.Table:
    values = np.asarray(table["photo_id"], np.float64) + offset
    return table.append_column("value", pa.array(values)).append_column("name", table["sha256"])


def values(known: PhotoTable, table: pa.Table) -> list[float]:
    """The kept values in the order of the rows."""
    found = np.full(table.num_rows, np.nan)
    for positions, part in known.parts(table, ["value"]):
        assert part.schema.names == ["value"]
        found[positions] = part["value"].to_numpy()
    return found.tolist()


def files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "values").iterdir())


@pytest.fixture
def known(tmp_path: Path) -> PhotoTable:
    return PhotoTable(Store(tmp_path), "values", CurationError)


def test_missing__is_what_was_not_added_bucket_by_bucket(known: PhotoTable) -> None:
    known.add(valued(rows([1, 2, 65])))

    assert known.missing(rows([131, 66, 1, 3, 2, 65, 64]))["photo_id"].to_pylist() == [64, 66, 131, 3]
    assert known.missing(rows([1, 65])).num_rows == 0
    assert known.missing(rows([])).num_rows == 0


def test_missing__a_photo_with_other_content_is(known: PhotoTable) -> None:
    known.add(valued(rows([1, 65])))
    replaced = rows([1], sha256="b")
    assert known.missing(replaced)["photo_id"].to_pylist() == [1]

    known.add(valued(replaced, offset=100))
    assert values(known, replaced) == [101]
    assert values(known, rows([65])) == [65]


def test_parts__give_what_was_kept_of_each_row(known: PhotoTable) -> None:
    known.add(valued(rows(list(range(0, 200, 2)))))
    known.add(valued(rows(list(range(1, 200, 2)))))
    wanted = [150, 3, 64, 128, 0, 199]

    assert values(known, rows(wanted)) == wanted
    assert values(known, rows([])) == []


@pytest.mark.parametrize("table", [rows([1, 7]), rows([65]), rows([1, 70]), rows([0]), rows([1], sha256="b")])
def test_parts__name_what_lacks(known: PhotoTable, table: pa.Table) -> None:
    known.add(valued(rows([1])))
    with pytest.raises(CurationError, match=r"1 photos, the first \d+, are not in .*values.*Run embed first"):
        values(known, table)


def test_add__replaces_a_photo_and_keeps_the_others(known: PhotoTable) -> None:
    known.add(valued(rows([1, 65, 129])))
    known.add(valued(rows([65]), offset=0.5))

    assert values(known, rows([1, 65, 129])) == [1, 65.5, 129]


def test_add__a_write_that_fails_leaves_what_was_there(known: PhotoTable, tmp_path: Path) -> None:
    known.add(valued(rows([1])))
    there = files(tmp_path)
    with pytest.raises(pa.ArrowNotImplementedError):
        known.add(rows([65]).append_column("value", pa.nulls(1, pa.month_day_nano_interval())))

    assert values(known, rows([1])) == [1]
    assert files(tmp_path) == there


def test_parts__an_earlier_content_stays_readable(known: PhotoTable) -> None:
    replaced = rows([1], sha256="b")
    known.add(valued(rows([1])))
    for number in range(MANY):
        known.add(valued(replaced, offset=100 + number))

    assert values(known, rows([1])) == [1]
    assert values(known, replaced) == [100 + MANY]
    assert known.missing(pa.concat_tables([rows([1]), replaced])).num_rows == 0


def test_add__merges_what_has_become_many_files(known: PhotoTable, tmp_path: Path) -> None:
    ids = [1 + BUCKETS * number for number in range(MANY)]
    for photo_id in ids:
        known.add(valued(rows([photo_id])))
        assert len(files(tmp_path)) <= 4

    assert values(known, rows(ids)) == ids


def test_add__two_tables_that_write_in_turn_lose_nothing(tmp_path: Path) -> None:
    first, second = (PhotoTable(Store(tmp_path), "values", CurationError) for _ in range(2))
    ids = [1 + BUCKETS * number for number in range(MANY)]
    for number, photo_id in enumerate(ids):
        (first, second)[number % 2].add(valued(rows([photo_id])))

    assert values(first, rows(ids)) == values(second, rows(ids)) == ids


def test_add__many_that_write_at_once_lose_nothing_while_others_read(tmp_path: Path) -> None:
    before = rows([1 + BUCKETS * MANY * 4])
    PhotoTable(Store(tmp_path), "values", CurationError).add(valued(before))

    def write(writer: int) -> list[float]:
        known = PhotoTable(Store(tmp_path), "values", CurationError)
        ids = [1 + BUCKETS * (writer * MANY + number) for number in range(MANY)]
        for photo_id in ids:
            known.add(valued(rows([photo_id])))
            assert values(known, before) == before["photo_id"].to_pylist()
        return [float(photo_id) for photo_id in ids]

    with ThreadPoolExecutor(4) as pool:
        written = sorted(value for each in pool.map(write, range(4)) for value in each)
    every = rows([int(value) for value in written])
    assert values(PhotoTable(Store(tmp_path), "values", CurationError), every) == written


class Interleaved(Store):
    """A store in which others add a row just before a file is deleted: the end of a merge."""

    others: Sequence[int] = ()

    def delete(self, path: str, *, recursive: bool = False) -> None:
        for photo_id in self.others:
            PhotoTable(Store(self.root), "values", CurationError).add(valued(rows([photo_id])))
        self.others = ()
        super().delete(path, recursive=recursive)


def test_add__a_merge_deletes_nothing_that_was_added_meanwhile(tmp_path: Path) -> None:
    store = Interleaved(tmp_path)
    known = PhotoTable(store, "values", CurationError)
    store.others = [1 + BUCKETS * number for number in range(100, 100 + MANY)]
    ids = [*(1 + BUCKETS * number for number in range(MANY)), *store.others]
    for photo_id in ids[:MANY]:
        known.add(valued(rows([photo_id])))

    assert store.others == ()
    assert values(known, rows(ids)) == ids


def test_parts__read_the_one_file_per_bucket_of_earlier_versions(known: PhotoTable, tmp_path: Path) -> None:
    (tmp_path / "values").mkdir()
    pq.write_table(valued(rows([1, 65])), tmp_path / "values" / "01.parquet")
    known.add(valued(rows([65]), offset=0.5))

    assert values(known, rows([65, 1])) == [65.5, 1]


@pytest.mark.parametrize("shards", [1, 2, 5, 64])
def test_shard_of__keeps_buckets_together(shards: int) -> None:
    ids = np.arange(1_000, dtype=np.int64)
    found = shard_of(ids, shards)

    assert set(found) == set(range(shards))
    for bucket in range(BUCKETS):
        assert len(set(found[ids % BUCKETS == bucket])) == 1
