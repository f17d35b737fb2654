"""The stage of the DAG `dataset_build` that looks at downloaded photos: features and measures, in one decode."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from mushroom_tasks import manifests
from mushroom_tasks.learning.embedding_store import EmbeddingStore
from mushroom_tasks.learning.embeddings import embed, embedder_fingerprint
from mushroom_tasks.learning.pixels import read_images
from mushroom_tasks.photo_table import shard_of
from mushroom_tasks.photos.looks import LookStore, look, looks_table
from mushroom_tasks.progress import Progress
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.downloading import downloaded
from mushroom_tasks.stages.results import ShardResult
from mushroom_tasks.stages.shards import progress_folder
from mushroom_tasks.storage import Store

# Embeddings and looks are kept after so many photos; a killed shard loses at most these.
_CHUNK = 4_096


def embed_shard(settings: Settings, downloads: str, shard: int, shards: int) -> ShardResult:
    """Embed one shard of the downloaded photos, and measure them in the same decode.

    What an earlier data set had done is reused. Photos that were embedded but not measured are decoded for that alone.
    """
    store = Store(settings.store)
    rows = manifests.for_learning(downloaded(store, downloads))
    rows = rows.filter(pa.array(shard_of(np.asarray(rows["photo_id"]), shards) == shard))
    known = EmbeddingStore(store, embedder_fingerprint(settings.embedding))
    looks, folder = LookStore(store), progress_folder(settings, shard)
    missing = known.missing(rows)
    for chunk in _chunks(missing):
        embedded, seen = embed(chunk, store, settings.embedding, look, folder)
        known.add(embedded)
        looks.add(looks_table(embedded, seen))
    _measure(looks.missing(rows), store, looks, folder)
    return ShardResult(shard=shard, done=rows.num_rows, failed=0, reused=rows.num_rows - missing.num_rows)


def _measure(rows: pa.Table, store: Store, looks: LookStore, folder: Path) -> None:
    if not rows.num_rows:
        return
    with Progress("measure", total=rows.num_rows, unit="photos", folder=folder) as progress:
        for chunk in _chunks(rows):
            seen = []
            for _, found in read_images(store, chunk["path"].to_pylist(), look):
                seen.append(found)
                progress.advance()
            looks.add(looks_table(chunk, seen))


def _chunks(rows: pa.Table) -> Iterator[pa.Table]:
    return (rows.slice(start, _CHUNK) for start in range(0, rows.num_rows, _CHUNK))
