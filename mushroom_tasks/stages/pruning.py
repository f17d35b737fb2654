"""The stage of the DAG `dataset_build` that judges photos: what the rules say of each, and why.

found = prune(settings, downloads.fingerprint)
found.pruned["noise"]
"""

from __future__ import annotations

import logging
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mushroom_tasks import manifests
from mushroom_tasks.curation.counts import tally
from mushroom_tasks.curation.judging import judge
from mushroom_tasks.learning.embedding_store import EmbeddingStore
from mushroom_tasks.learning.embeddings import embedder_fingerprint
from mushroom_tasks.photos import looks as measures
from mushroom_tasks.photos.looks import LookStore
from mushroom_tasks.photos.quality import Quality, issue
from mushroom_tasks.settings import QualitySettings, Settings
from mushroom_tasks.stages.choices import curation_choices
from mushroom_tasks.stages.downloading import downloaded
from mushroom_tasks.stages.results import PruneResult
from mushroom_tasks.storage import Store, fingerprint

logger = logging.getLogger(__name__)

# Raise when the rules judge the same photos otherwise: the next build then makes another data set of them.
_VERSION = 3


def prune(settings: Settings, downloads: str) -> PruneResult:
    """Judge every downloaded photo and write the pruned manifest; nothing is deleted.

    Beside it lie what was done per class (`classes.json`) and which downloads it is of.
    """
    store = Store(settings.store)
    key = pruned_key(settings, downloads)
    path = f"pruned/{key}.parquet"
    if manifests.manifest_fingerprint(store, path) != key:
        _make(store, settings, downloads, key)
    found = manifests.read_manifest(store, path, manifests.PRUNED, ["is_outlier", "reason", "doubt"])
    return PruneResult(
        fingerprint=key,
        address=store.address(path),
        photos=found.num_rows,
        pruned=tally(found.filter(found["is_outlier"])["reason"]),
        doubtful=tally(found["doubt"].drop_null()),
    )


def pruned_key(settings: Settings, downloads: str) -> str:
    """Return the fingerprint of the pruned manifest that these downloads become by the rules and settings in force."""
    return fingerprint(
        "dataset",
        version=_VERSION,
        looks=measures.VERSION,
        embedder=embedder_fingerprint(settings.embedding),
        downloads=downloads,
        **curation_choices(settings),
    )


def classes_path(pruned: str) -> str:
    """Return where the store keeps what pruning did per class, by taxon_id."""
    return f"pruned/{pruned}.classes.json"


def _make(store: Store, settings: Settings, downloads: str, key: str) -> None:
    rows = _joined(store, downloads)
    read = manifests.for_learning(rows)
    looks = LookStore(store).read(read)
    issues = _issues(rows, looks, settings.quality)
    found = judge(
        rows,
        EmbeddingStore(store, embedder_fingerprint(settings.embedding)).matrix(read),
        np.asarray(looks["hash"]),
        np.asarray(pc.is_valid(issues)),
        settings.duplicates,
        settings.pruning,
        settings.labels,
    )
    others = pa.table({"quality_issue": issues, "decision": pa.nulls(rows.num_rows, pa.string())})
    for table in (found.columns, looks.select(list(Quality._fields)), others):
        for name in table.column_names:
            rows = rows.append_column(name, table[name])
    store.write_json(f"pruned/{key}.json", {"downloads": downloads})
    store.write_json(classes_path(key), {name: asdict(report) for name, report in found.report.items()})
    # Last, as it is what says that this stage is done.
    manifests.write_manifest(store, f"pruned/{key}.parquet", rows, manifests.PRUNED, key)


def _issues(rows: pa.Table, looks: pa.Table, settings: QualitySettings) -> pa.Array:
    """Return what is wrong with each photo, null where nothing is."""
    measured = zip(*(looks[name].to_pylist() for name in Quality._fields), strict=True)
    sizes = zip(rows["width"].to_pylist(), rows["height"].to_pylist(), strict=True)
    issues = [issue(Quality(*values), *size, settings) for values, size in zip(measured, sizes, strict=True)]
    return pa.array(issues, pa.string())


def _joined(store: Store, downloads: str) -> pa.Table:
    """Return selection and download columns of every downloaded photo, sorted by photo_id."""
    selection = store.read_json(f"downloads/{downloads}.json")["selection"]
    chosen = manifests.read_manifest(store, f"selections/{selection}.parquet", manifests.SELECTION)
    return chosen.join(downloaded(store, downloads), keys="photo_id", join_type="inner").sort_by("photo_id")
