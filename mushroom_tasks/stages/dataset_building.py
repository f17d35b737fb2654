"""Stages of the DAG `dataset_build`: select, download, embed, prune, publish."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Engine

from mushroom_tasks import manifests
from mushroom_tasks.curation import publish as publishing
from mushroom_tasks.curation.prune import prune as prune_classes
from mushroom_tasks.db.engine import open_engine
from mushroom_tasks.db.models import Snapshot
from mushroom_tasks.errors import DatabaseError, SelectionError
from mushroom_tasks.inat.ingest import latest_load
from mushroom_tasks.inat.lineage import lineages
from mushroom_tasks.inat.selection import select as select_photos
from mushroom_tasks.learning.embedding_store import EmbeddingStore, shard_of
from mushroom_tasks.learning.embeddings import embed, embedder_fingerprint
from mushroom_tasks.photos.download import check_failed_ratio, check_passing_ratio, download, is_settled
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.artifacts import tracked_path
from mushroom_tasks.stages.results import DatasetResult, DownloadResult, PruneResult, SelectionResult, ShardResult
from mushroom_tasks.storage import Store, fingerprint
from mushroom_tasks.tracking import open_tracker

logger = logging.getLogger(__name__)

EXPERIMENT = "dataset_build"

# A mapped task costs seconds to start, one that embeds imports TensorFlow too: smaller shards do not pay.
_MIN_PHOTOS_PER_DOWNLOAD = 250
_MIN_PHOTOS_PER_EMBED = 2_000
# Embeddings are kept after so many photos; a killed shard loses at most these.
_EMBED_CHUNK = 4_096


def select(settings: Settings) -> SelectionResult:
    """Select N photos of M species from PostgreSQL and write the selection manifest."""
    engine = open_engine(settings)
    latest = latest_load(engine)
    if latest is None:
        raise SelectionError("no snapshot is loaded. Run the DAG inat_ingest (or `mushroom stage ingest`) first.")
    key = fingerprint(
        "selection", version=1, snapshot=latest.fingerprint, root_taxa=latest.root_taxa, settings=settings.selection
    )
    store = Store(settings.store)
    path = f"selections/{key}.parquet"
    if manifests.manifest_fingerprint(store, path) != key:
        table = select_photos(engine, tuple(latest.root_taxa), settings.selection)
        species = lineages(engine, set(table["taxon_id"].to_pylist()))
        _require_unchanged(engine, latest)
        store.write_json(f"selections/{key}.species.json", species)
        manifests.write_manifest(store, path, table, manifests.SELECTION, key)
    rows = manifests.read_manifest(store, path, manifests.SELECTION, ["photo_id", "taxon_id"])
    return SelectionResult(
        fingerprint=key,
        address=store.address(path),
        species=pc.count_distinct(rows["taxon_id"]).as_py(),
        photos=rows.num_rows,
        shards=_shards(rows.num_rows, _MIN_PHOTOS_PER_DOWNLOAD, settings.download.shards),
    )


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
        _progress(settings, shard),
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
        failures=_failures(table),
        shards=_shards(downloaded, _MIN_PHOTOS_PER_EMBED, settings.embedding.shards),
    )


def embed_shard(settings: Settings, downloads: str, shard: int, shards: int) -> ShardResult:
    """Embed one shard of the downloaded photos; those embedded for an earlier data set are reused."""
    store = Store(settings.store)
    rows = _downloaded(store, downloads)
    rows = rows.filter(pa.array(shard_of(np.asarray(rows["photo_id"]), shards) == shard))
    known = EmbeddingStore(store, embedder_fingerprint(settings.embedding))
    missing = known.missing(rows)
    for start in range(0, missing.num_rows, _EMBED_CHUNK):
        chunk = missing.slice(start, _EMBED_CHUNK)
        known.add(embed(chunk, store, settings.embedding, _progress(settings, shard)))
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
            EmbeddingStore(store, embedder).matrix(table),
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


def publish(settings: Settings, dataset: str) -> DatasetResult:
    """Publish a pruned manifest as a data set with its attribution and card, and log it to MLflow."""
    store = Store(settings.store)
    downloads = store.read_json(f"pruned/{dataset}.json")["downloads"]
    selection = store.read_json(f"downloads/{downloads}.json")["selection"]
    failures = _failures(manifests.read_manifest(store, f"downloads/{downloads}.parquet", manifests.DOWNLOADS))
    chosen = _choices(settings)
    published = publishing.publish(
        manifests.read_manifest(store, f"pruned/{dataset}.parquet", manifests.PRUNED),
        store,
        dataset,
        inputs={"selection": selection, "downloads": downloads},
        settings=chosen,
        failures=failures,
        species=store.read_json(f"selections/{selection}.species.json"),
    )
    marker = tracked_path(settings, "datasets", dataset)
    if not store.exists(marker):
        _log_dataset(settings, store, published, chosen)
        store.write_json(marker, published.counts)
    return DatasetResult(
        fingerprint=published.fingerprint,
        folder=published.folder,
        species=published.counts.species,
        photos=published.counts.photos,
        pruned=published.counts.pruned,
        splits={split: getattr(published.counts, split) for split in manifests.SPLITS},
    )


def is_made_with(dataset: publishing.PublishedDataset, settings: Settings) -> bool:
    """Tell whether a data set was made with the settings in force."""
    return dataset.settings == _choices(settings)


def _choices(settings: Settings) -> dict[str, Any]:
    """Return the settings that shape a data set, as its card shows them."""
    return {
        "root_taxa": list(settings.root_taxa),
        "selection": settings.selection.model_dump(mode="json"),
        "download": {"size": settings.download.size},
        "embedding": settings.embedding.model_dump(mode="json", include={"backbone", "weights"}),
        "pruning": settings.pruning.model_dump(mode="json"),
    }


def _log_dataset(
    settings: Settings, store: Store, published: publishing.PublishedDataset, chosen: Mapping[str, object]
) -> None:
    run = open_tracker(settings).run(
        EXPERIMENT,
        key=published.fingerprint,
        name=f"data set {published.fingerprint}",
        tags={"dataset": published.fingerprint},
    )
    counts = published.counts.model_dump()
    run.log_params(chosen)
    run.log_metrics({f"photos/{name}": count for name, count in counts.items()})
    run.log_metrics({f"pruned/{reason}": count for reason, count in published.pruned_by_reason.items()})
    run.log_metrics({f"failed/{reason}": count for reason, count in published.failures.items()})
    run.log_dataset(
        name="mushrooms", digest=published.fingerprint, address=published.folder, profile=counts, context="published"
    )
    for name in store.list(f"datasets/{published.fingerprint}"):
        run.log_artifact(Path(store.local(f"datasets/{published.fingerprint}/{name}", settings.cache)))
    run.finish()


def _require_unchanged(engine: Engine, latest: Snapshot) -> None:
    """Raise where another snapshot was loaded while a selection was made of this one: its rows may be mixed."""
    now = latest_load(engine)
    if now is None or now.id != latest.id:
        raise DatabaseError(
            f"another snapshot was loaded while photos of {latest.fingerprint} were selected. Run this again."
        )


def _joined(store: Store, downloads: str) -> pa.Table:
    """Return selection and download columns of every downloaded photo, sorted by photo_id."""
    selection = store.read_json(f"downloads/{downloads}.json")["selection"]
    chosen = manifests.read_manifest(store, f"selections/{selection}.parquet", manifests.SELECTION)
    return chosen.join(_downloaded(store, downloads), keys="photo_id", join_type="inner").sort_by("photo_id")


def _downloaded(store: Store, downloads: str) -> pa.Table:
    table = manifests.read_manifest(store, f"downloads/{downloads}.parquet", manifests.DOWNLOADS)
    return table.filter(pc.equal(table["status"], "ok")).drop_columns(["status", "failure", "detail"])


def _progress(settings: Settings, shard: int) -> Path:
    """Return a folder of the shard's own: shards run side by side and would overwrite each other's counts."""
    return settings.home / "progress" / f"shard-{shard:02d}"


def _shard_path(selection: str, size: str, shard: int, shards: int) -> str:
    return f"downloads/{selection}/{size}-{shard:02d}-of-{shards:02d}.parquet"


def _shards(photos: int, least: int, most: int) -> list[int]:
    return list(range(max(1, min(most, photos // least))))


def _failed(table: pa.Table) -> int:
    return int(pc.sum(pc.not_equal(table["status"], "ok")).as_py() or 0)


def _failures(table: pa.Table) -> dict[str, int]:
    return dict(sorted(Counter(reason for reason in table["failure"].to_pylist() if reason is not None).items()))
