"""Join the sorted manifests of shards to one sorted stream, in memory that their length does not touch.

for batch in merged([read_batches(store, path, DOWNLOADS) for path in shards]): ...
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc


def merged(parts: Sequence[Iterable[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of all parts, each sorted by photo_id, sorted by photo_id."""
    rest = [(batch for batch in part if batch.num_rows) for part in parts]
    heads = [(head, following) for following in rest if (head := next(following, None)) is not None]
    while heads:
        # Nothing that is still to come from any part lies before the first of their last rows.
        bound = min((head["photo_id"][-1] for head, _ in heads), key=lambda last: last.as_py())
        ready, later = [], []
        for head, following in heads:
            count = pc.sum(pc.less_equal(head["photo_id"], bound)).as_py()
            ready.append(head.slice(0, count))
            left = head.slice(count) if count < head.num_rows else next(following, None)
            if left is not None:
                later.append((left, following))
        heads = later
        yield from pa.Table.from_batches(ready).sort_by("photo_id").combine_chunks().to_batches()
