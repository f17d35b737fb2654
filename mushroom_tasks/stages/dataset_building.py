"""Stages of the DAG `dataset_build` that look at downloaded photos: embed and prune."""

from __future__ import annotations

import logging
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mushroom_tasks import manifests
from mushroom_tasks.curation.prune import prune as prune_classes
from mushroom_tasks.learning.embedding_store import EmbeddingStore, shard_of
from mushroom_tasks.learning.embeddings import embed, embedder_fingerprint
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.results import PruneResult, ShardResult
from mushroom_tasks.stages.shards import progress_folder
from mushroom_tasks.storage import Store, fingerprint

logger = logging.getLogger(__name__)

# Embeddings are kept after so many photos; a killed shard loses at most these.
_EMBED_CHUNK = 4_096


def embed_shard(settings: Settings, downloads: str, shard: int, shards: int) -> ShardResult:
    """Embed one shard of the downloaded photos; those embedded for an earlier data set are reused."""
    store = Store(settings.store)
    rows = manifests.for_learning(_downloaded(store, downloads))
    rows = rows.filter(pa.array(shard_of(np.asarray(rows["photo_id"]), shards) == shard))
    known = EmbeddingStore(store, embedder_fingerprint(settings.embedding))
    missing = known.missing(rows)
    for start in range(0, missing.num_rows, _EMBED_CHUNK):
        chunk = missing.slice(start, _EMBED_CHUNK)
        known.add(embed(chunk, store, settings.embedding, progress_folder(settings, shard)))
    return ShardResult(shard=shard, done=rows.num_rows, failed=0, reused=rows.num_rows - missing.num_rows)


def prune(settings: Settings, downloads: str) -> PruneResult:
    """Flag the outliers of every class and write the pruned manifest; nothing is deleted."""
    store = Store(settings.store)
    embedder = embedder_fingerprint(settings.embedding)
    key = fingerprint("dataset", version=1, downloads=downloads, embedder=embedder, pruning=settings.pruning)
    path = f"pruned/{key}.parquet"
    if manifests.manifest_fingerprint(store, path) != key:
        table = _joined(store, downloads)
        found = prune_classes(
            np.asarray(table["taxon_id"]),
            EmbeddingStore(store, embedder).matrix(manifests.for_learning(table)),
            np.asarray(table["observer_id"]),
            settings.pruning,
        )
        table = (
            table.append_column("cluster_label", pa.array(found.cluster_label, pa.int32()))
            .append_column("is_outlier", pa.array(found.is_outlier, pa.bool_()))
            .append_column("reason", pa.array(list(found.reason), pa.string()))
            .append_column("outlier_score", pa.array(found.outlier_score, pa.float32()))
        )
        store.write_json(f"pruned/{key}.json", {"downloads": downloads})
        manifests.write_manifest(store, path, table, manifests.PRUNED, key)
    reasons = manifests.read_manifest(store, path, manifests.PRUNED, ["reason"])["reason"].to_pylist()
    pruned = Counter(reason for reason in reasons if reason is not None)
    return PruneResult(fingerprint=key, address=store.address(path), photos=len(reasons), pruned=dict(pruned))


def _joined(store: Store, downloads: str) -> pa.Table:
    """Return selection and download columns of every downloaded photo, sorted by photo_id."""
    selection = store.read_json(f"downloads/{downloads}.json")["selection"]
    chosen = manifests.read_manifest(store, f"selections/{selection}.parquet", manifests.SELECTION)
    return chosen.join(_downloaded(store, downloads), keys="photo_id", join_type="inner").sort_by("photo_id")


def _downloaded(store: Store, downloads: str) -> pa.Table:
    table = manifests.read_manifest(store, f"downloads/{downloads}.parquet", manifests.DOWNLOADS)
    return table.filter(pc.equal(table["status"], "ok")).drop_columns(["status", "failure", "detail"])
