"""Stages of the DAG `dataset_build` that bring photos into the store: one per shard, and one that joins them."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mushroom_tasks import manifests
from mushroom_tasks.photos.download import check_failed_ratio, check_passing_ratio, download, is_settled
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.results import DownloadResult, ShardResult
from mushroom_tasks.stages.shards import numbers, progress_folder
from mushroom_tasks.storage import Store, fingerprint

# A mapped task that embeds costs seconds to start, and imports TensorFlow too: smaller shards do not pay.
_MIN_PHOTOS_PER_EMBED = 2_000


def download_shard(settings: Settings, selection: str, shard: int, shards: int) -> ShardResult:
    """Download one shard of a selection's photos.

    Photos that are there, and those that failed for good, are not asked for again; those that failed in passing are.
    """
    store = Store(settings.store)
    rows = manifests.read_manifest(
        store, f"selections/{selection}.parquet", manifests.SELECTION, ["photo_id", "extension"]
    )
    rows = rows.filter(pa.array(np.asarray(rows["photo_id"]) % shards == shard))
    path = _shard_path(selection, settings.download.size, shard, shards)
    # What failed for good deserves another try at another source, or with another limit.
    key = fingerprint(
        "download-shard", selection=selection, source=settings.source, max_bytes=settings.download.max_bytes
    )
    earlier = None
    if manifests.manifest_fingerprint(store, path) == key:
        earlier = manifests.read_manifest(store, path, manifests.DOWNLOADS)
        if is_settled(earlier, settings.download.max_failed_ratio):
            return ShardResult(shard=shard, done=rows.num_rows, failed=_failed(earlier), reused=rows.num_rows)
    table = download(
        rows,
        settings.source,
        store,
        settings.download,
        progress_folder(settings, shard),
        earlier=earlier,
    )
    manifests.write_manifest(store, path, table, manifests.DOWNLOADS, key)
    check_passing_ratio(table, settings.download.max_failed_ratio)
    return ShardResult(shard=shard, done=rows.num_rows, failed=_failed(table), reused=0)


def collect_downloads(settings: Settings, selection: str, shards: int) -> DownloadResult:
    """Join the shards' manifests to one; fails where more photos failed than the settings allow."""
    store = Store(settings.store)
    parts = [
        manifests.read_manifest(
            store, _shard_path(selection, settings.download.size, shard, shards), manifests.DOWNLOADS
        )
        for shard in range(shards)
    ]
    table = pa.concat_tables(parts).sort_by("photo_id")
    check_failed_ratio(table, settings.download.max_failed_ratio)
    # By content: what was obtained decides, not from where, nor why the rest could not be had.
    content = hashlib.sha256()
    for column in ("photo_id", "sha256"):
        content.update(repr(table[column].to_pylist()).encode())
    key = fingerprint("downloads", version=1, selection=selection, content=content.hexdigest())
    path = f"downloads/{key}.parquet"
    if manifests.manifest_fingerprint(store, path) != key:
        # First, as the manifest is what says that this stage is done.
        store.write_json(f"downloads/{key}.json", {"selection": selection})
        manifests.write_manifest(store, path, table, manifests.DOWNLOADS, key)
    downloaded = table.num_rows - _failed(table)
    return DownloadResult(
        fingerprint=key,
        address=store.address(path),
        downloaded=downloaded,
        failures=failures_by_reason(table),
        shards=numbers(downloaded, _MIN_PHOTOS_PER_EMBED, settings.embedding.shards),
    )


def _shard_path(selection: str, size: str, shard: int, shards: int) -> str:
    return f"downloads/{selection}/{size}-{shard:02d}-of-{shards:02d}.parquet"


def _failed(table: pa.Table) -> int:
    return int(pc.sum(pc.not_equal(table["status"], "ok")).as_py() or 0)


def failures_by_reason(table: pa.Table) -> dict[str, int]:
    """Count the failed rows of a DOWNLOADS table by reason code."""
    return dict(sorted(Counter(reason for reason in table["failure"].to_pylist() if reason is not None).items()))
