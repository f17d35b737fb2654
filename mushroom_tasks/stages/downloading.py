"""Stages of the DAG `dataset_build` that bring photos into the store: one per shard, and one that joins them.

Manifests are read and written batch by batch: memory does not grow with the selection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from mushroom_tasks import manifests
from mushroom_tasks.arrays import mask
from mushroom_tasks.photos.download import download_batches
from mushroom_tasks.photos.failures import Failures, check_failed_ratio, check_passing_ratio, is_settled
from mushroom_tasks.photos.merging import merged
from mushroom_tasks.photos.space import Need
from mushroom_tasks.photos.store import are_stored
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.artifacts import tracked_path
from mushroom_tasks.stages.experiments import BUILD
from mushroom_tasks.stages.results import DownloadResult, DownloadShardResult
from mushroom_tasks.stages.shards import embedding_shards, progress_folder
from mushroom_tasks.storage import Store, fingerprint
from mushroom_tasks.tracking import open_tracker

_WANTED = ["photo_id", "extension"]
_FIGURES = ("new", "reused", "bytes", "seconds")


@dataclass(frozen=True)
class _Shard:
    """Where one shard of a selection's downloads is kept, and by what it is known."""

    selection: str
    number: int
    shards: int
    path: str
    key: str


def download_shard(settings: Settings, selection: str, shard: int, shards: int) -> DownloadShardResult:
    """Download one shard of a selection's photos.

    Photos that are there, and those that failed for good, are not asked for again; those that failed in passing are,
    and those that have gone from the store since (withdrawn before a rollback, or deleted by hand).
    """
    store = Store(settings.store)
    one = _shard(settings, selection, shard, shards)
    is_again = manifests.manifest_fingerprint(store, one.path) == one.key
    if is_again:
        failures = Failures()
        for batch in manifests.read_batches(store, one.path, manifests.DOWNLOADS):
            failures.add(batch)
        is_whole = are_stored(store, _paths(store, one))
        if is_whole and is_settled(failures, settings.download.max_failed_ratio):
            return DownloadShardResult(
                shard=shard, done=failures.rows, failed=failures.failed, reused=failures.rows, new=0, bytes=0, seconds=0
            )
    return _download(settings, store, one, is_again)


def collect_downloads(settings: Settings, selection: str, shards: int) -> DownloadResult:
    """Join the shards' manifests to one; fails where more photos failed than the settings allow.

    What the shards' last runs did goes to MLflow, as one run for the photos of a selection from a source.
    """
    store = Store(settings.store)
    parts = [_shard(settings, selection, number, shards) for number in range(shards)]
    # What was obtained, not from where, nor why the rest could not be had.
    failures, content = Failures(), manifests.ContentHash(manifests.OBTAINED)
    for batch in _joined(store, parts):
        failures.add(batch)
        content.add(batch)
    check_failed_ratio(failures, settings.download.max_failed_ratio)
    key = fingerprint("downloads", version=3, selection=selection, content=content.hexdigest())
    path = f"downloads/{key}.parquet"
    if manifests.manifest_fingerprint(store, path) != key:
        # First, as the manifest is what says that this stage is done.
        store.write_json(f"downloads/{key}.json", {"selection": selection})
        with manifests.manifest_writer(store, path, manifests.DOWNLOADS, key) as out:
            for batch in _joined(store, parts):
                out.write_batch(batch)
    obtained = failures.rows - failures.failed
    figures = _figures(store, parts)
    result = DownloadResult(
        fingerprint=key,
        address=store.address(path),
        downloaded=obtained,
        failures=dict(sorted(failures.by_reason.items())),
        shards=embedding_shards(settings, obtained),
        new=int(figures["new"]),
        reused=int(figures["reused"]),
        bytes=int(figures["bytes"]),
        seconds=figures["seconds"],
    )
    _log(settings, store, selection, result)
    return result


def downloaded(store: Store, downloads: str) -> pa.Table:
    """Return what is known of every photo that was downloaded: `manifests.DOWNLOADS` without status and failure."""
    table = manifests.read_manifest(store, f"downloads/{downloads}.parquet", manifests.DOWNLOADS)
    return table.filter(pc.equal(table["status"], "ok")).drop_columns(["status", "failure", "detail"])


def failures_by_reason(store: Store, downloads: str) -> dict[str, int]:
    """Count the photos that could not be had, by reason code."""
    path, found = f"downloads/{downloads}.parquet", Failures()
    for batch in manifests.read_batches(store, path, manifests.DOWNLOADS, ["photo_id", "failure", "detail"]):
        found.add(batch)
    return dict(sorted(found.by_reason.items()))


def _shard(settings: Settings, selection: str, shard: int, shards: int) -> _Shard:
    chosen = settings.download
    # What failed for good deserves another try at another source, or with another limit.
    key = fingerprint(
        "download-shard",
        version=2,
        selection=selection,
        source=settings.source,
        max_bytes=chosen.max_bytes,
        small_side=chosen.small_side,
    )
    path = f"downloads/{selection}/{chosen.size}-{shard:02d}-of-{shards:02d}.parquet"
    return _Shard(selection, shard, shards, path, key)


def _download(settings: Settings, store: Store, one: _Shard, is_again: bool) -> DownloadShardResult:
    rows, need = 0, Need(settings.download, store)
    for batch in manifests.read_batches(store, _selected(one), manifests.SELECTION, _WANTED):
        rows += _of_shard(batch, one).num_rows
        need.add(batch)
    # Of the whole selection: the other shards fill the same disk.
    need.require()
    wanted = manifests.read_batches(store, _selected(one), manifests.SELECTION, _WANTED)
    with manifests.manifest_writer(store, one.path, manifests.DOWNLOADS, one.key) as out:
        totals = download_batches(
            (_of_shard(batch, one) for batch in wanted),
            settings.source,
            store,
            settings.download.model_copy(update={"max_rate": settings.download.max_rate / one.shards}),
            total=rows,
            write=out.write_batch,
            earlier=manifests.read_batches(store, one.path, manifests.DOWNLOADS) if is_again else (),
            progress_folder=progress_folder(settings, one.number),
        )
        # Before the manifest appears, which is what says that the shard is done.
        store.write_json(_figures_path(one), {name: getattr(totals, name) for name in _FIGURES})
    check_passing_ratio(totals.failures, settings.download.max_failed_ratio)
    return DownloadShardResult(
        shard=one.number,
        done=totals.failures.rows,
        failed=totals.failures.failed,
        reused=totals.reused,
        new=totals.new,
        bytes=totals.bytes,
        seconds=totals.seconds,
    )


def _paths(store: Store, one: _Shard) -> Iterator[str]:
    """Yield the paths of the photos, and of their smaller copies, that a shard's manifest names."""
    for batch in manifests.read_batches(store, one.path, manifests.DOWNLOADS, ["path", "small_path"]):
        for column in batch.columns:
            yield from (path for path in column.to_pylist() if path is not None)


def _selected(one: _Shard) -> str:
    return f"selections/{one.selection}.parquet"


def _figures_path(one: _Shard) -> str:
    return one.path.removesuffix(".parquet") + ".json"


def _of_shard(batch: pa.RecordBatch, one: _Shard) -> pa.RecordBatch:
    return batch.filter(mask(photo_id % one.shards == one.number for photo_id in batch["photo_id"].to_pylist()))


def _joined(store: Store, parts: list[_Shard]) -> Iterator[pa.RecordBatch]:
    return merged([manifests.read_batches(store, part.path, manifests.DOWNLOADS) for part in parts])


def _figures(store: Store, parts: list[_Shard]) -> Counter[str]:
    """Sum up what the last runs of the shards did; seconds are those that all of them took together."""
    figures: Counter[str] = Counter(dict.fromkeys(_FIGURES, 0))
    for part in parts:
        figures.update(store.read_json(_figures_path(part)))
    return figures


def _log(settings: Settings, store: Store, selection: str, result: DownloadResult) -> None:
    chosen = settings.download.model_dump(mode="json", include={"size", "small_side", "connections", "max_rate"})
    key = fingerprint("download-run", selection=selection, source=settings.source, download=chosen)
    metrics = _metrics(result)
    marker = tracked_path(settings, "downloads", key)
    earlier = store.read_json(marker) if store.exists(marker) else {}
    # The run is the same one: a reason that no photo failed for any more would keep its old count.
    metrics = {**{name: 0 for name in earlier if name.startswith("failed/")}, **metrics}
    if earlier == metrics:
        return
    run = open_tracker(settings).run(
        BUILD,
        key=f"download:{key}",
        name=f"download {selection[:6]}",
        tags={"selection": selection, "downloads": result.fingerprint, "source": settings.source},
    )
    run.log_params({"download": chosen})
    run.log_metrics(metrics)
    run.finish()
    store.write_json(marker, metrics)


def _metrics(result: DownloadResult) -> Mapping[str, float]:
    seconds = max(result.seconds, 1e-9)
    return {
        "download/photos": result.downloaded,
        "download/new": result.new,
        "download/reused": result.reused,
        "download/bytes": result.bytes,
        "download/shard_seconds": result.seconds,
        "download/photos_per_shard_second": (result.new + result.reused) / seconds,
        "download/bytes_per_shard_second": result.bytes / seconds,
        **{f"failed/{reason}": count for reason, count in result.failures.items()},
    }
