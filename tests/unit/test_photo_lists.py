"""photos.wanted, photos.ordered, photos.merging, photos.space: lists of any length, piece by piece."""

from __future__ import annotations

import asyncio
import random
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mushroom_tasks.disk import RESERVE
from mushroom_tasks.errors import StorageError, StorageFull
from mushroom_tasks.manifests import DOWNLOADS
from mushroom_tasks.photos.merging import merged
from mushroom_tasks.photos.ordered import AHEAD, BATCH, OrderedRows
from mushroom_tasks.photos.space import TYPICAL, Need
from mushroom_tasks.photos.wanted import wanted
from mushroom_tasks.settings import DownloadSettings
from mushroom_tasks.storage import Store


def _batch(*photo_ids: int, extension: str = "jpg") -> pa.RecordBatch:
    return pa.record_batch({"photo_id": pa.array(photo_ids, pa.int64()), "extension": [extension] * len(photo_ids)})


def _row(photo_id: int, status: str = "ok") -> tuple[Any, ...]:
    if status == "failed":
        return (photo_id, status, "missing", "HTTP 404", *[None] * 8)
    return (photo_id, status, None, None, f"photos/{photo_id}", "ab", 10, 4, 3, "JPEG", None, None)


def _downloads(*rows: tuple[Any, ...]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([dict(zip(DOWNLOADS.names, row, strict=True)) for row in rows], schema=DOWNLOADS)


def test_wanted__numbers_each_photo_once_and_knows_what_was_ok() -> None:
    earlier = [_downloads(_row(1), _row(3, "failed")), _downloads(_row(4), _row(9))]
    found = list(wanted([_batch(2, 3, 3), _batch(3, extension="gif"), _batch(4, 8)], earlier))
    assert [(request.number, request.photo_id, request.extension) for request in found] == [
        (0, 2, "jpg"),
        (1, 3, "gif"),
        (2, 4, "jpg"),
        (3, 8, "jpg"),
    ]
    assert [request.known and request.known.path for request in found] == [None, None, "photos/4", None]


def test_wanted__refuses_a_list_that_is_not_sorted() -> None:
    with pytest.raises(StorageError, match="not sorted by photo_id: 3 follows 5"):
        list(wanted([_batch(1, 5), _batch(3)]))


def test_ordered__hands_rows_on_in_order_whatever_order_they_come_in() -> None:
    written: list[pa.RecordBatch] = []
    rows = OrderedRows(written.append)
    numbers = list(range(2 * BATCH + 100))
    random.Random(1).shuffle(numbers)
    for number in numbers:
        rows.put(number, _row(10 * number, "failed" if number % 7 == 0 else "ok"))
    rows.finish()
    assert [batch.num_rows for batch in written] == [BATCH, BATCH, 100]
    table = pa.Table.from_batches(written)
    assert table.schema.equals(DOWNLOADS)
    assert table["photo_id"].to_pylist() == [10 * number for number in range(2 * BATCH + 100)]
    assert table["failure"].to_pylist()[:8] == ["missing", *[None] * 6, "missing"]
    assert table["width"].null_count == table["failure"].to_pylist().count("missing")


def test_ordered__lets_nobody_run_too_far_ahead() -> None:
    written: list[pa.RecordBatch] = []

    async def run() -> None:
        rows = OrderedRows(written.append)
        for number in range(1, BATCH * AHEAD):
            await rows.room(number)
            rows.put(number, _row(number))
        waiting = asyncio.create_task(rows.room(BATCH * AHEAD))
        await asyncio.sleep(0.01)
        assert not waiting.done(), "the first row is still under way"
        assert not written
        rows.put(0, _row(0))
        await waiting

    asyncio.run(run())
    assert [batch.num_rows for batch in written] == [BATCH] * AHEAD


@given(st.lists(st.lists(st.integers(0, 500), max_size=60), min_size=1, max_size=5), st.integers(1, 9))
def test_merged__is_the_sorted_whole(parts: list[list[int]], rows: int) -> None:
    tables = [pa.table({"photo_id": pa.array(sorted(part), pa.int64())}) for part in parts]
    batches = list(merged([table.to_batches(max_chunksize=rows) for table in tables]))
    assert [n for batch in batches for n in batch["photo_id"].to_pylist()] == sorted(chain(*parts))
    assert max((batch.num_rows for batch in batches), default=0) <= rows * len(parts)


class _Usage(NamedTuple):
    free: int


def _need(store: Store, count: int, **settings: Any) -> Need:
    need = Need(DownloadSettings(**settings), store)
    for start in range(0, count, 1000):
        need.add(_batch(*range(start, min(start + 1000, count))))
    return need


def test_need__is_what_photos_of_a_size_take(tmp_path: Path) -> None:
    need = _need(Store(tmp_path / "store"), 100_000)
    assert need.bytes == 100_000 * TYPICAL["medium"]
    assert _need(Store(tmp_path), 10, size="original").bytes > _need(Store(tmp_path), 10, size="large").bytes
    assert _need(Store(tmp_path), 10, small_side=256).bytes > _need(Store(tmp_path), 10).bytes


def test_need__leaves_out_what_is_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for photo_id in range(2000):
        if photo_id % 2:
            path = tmp_path / f"photos/medium/{photo_id % 1000:03d}/{photo_id}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    share = _need(store, 2000).bytes / (2000 * TYPICAL["medium"])
    assert 0.4 < share < 0.6


def test_need__says_what_is_missing_before_anything_is_fetched(tmp_path: Path) -> None:
    need = _need(Store(tmp_path / "store"), 100_000)
    need.require(lambda _: _Usage(need.bytes + RESERVE))
    with pytest.raises(StorageFull, match=r"100% of 100,000 photos of size 'medium'.*some 6\.0 GB.*has 1\.0 GB"):
        need.require(lambda _: _Usage(1_000_000_000))


def test_need__asks_no_disk_for_an_object_store() -> None:
    need = _need(Store("memory://store"), 1000)
    assert need.bytes
    need.require(lambda _: pytest.fail("no disk is asked"))
