"""What learning reads of a published data set, of this version and of earlier ones."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pruned_photos import noise, pruned_photo, pruned_table

from mushroom_tasks.manifests import DOWNLOADS, PRUNED, SELECTION, STORED, write_manifest
from mushroom_tasks.stages.artifacts import dataset_rows
from mushroom_tasks.stages.results import PlanResult
from mushroom_tasks.storage import Store

DATASET = "a" * 16
PLAN = PlanResult(dataset=DATASET, backbone="b", model="m", bundle="b", is_new=True)
# As the first version of this package published it.
FORMER = pa.schema(
    [
        *SELECTION,
        *(DOWNLOADS.field(name) for name in STORED),
        pa.field("cluster_label", pa.int32(), nullable=False),
        pa.field("is_outlier", pa.bool_(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("outlier_score", pa.float32(), nullable=False),
    ]
)


def published(store: Store, rows: pa.Table, schema: pa.Schema) -> None:
    counts = {"species": 2, "photos": 3, "kept": 2, "pruned": 1, "train": 3, "validation": 0, "test": 0}
    content = {"fingerprint": DATASET, "created": "2026-01-01T00:00:00+00:00", "counts": counts, "inputs": {}}
    content |= {"pruned_by_reason": {}, "failures": {}, "settings": {}}
    write_manifest(store, f"datasets/{DATASET}/pruned.parquet", rows, schema, DATASET)
    store.write_json(f"datasets/{DATASET}/dataset.json", content)


@pytest.fixture
def rows() -> pa.Table:
    small = {"small_path": "photos/medium-320/002/2.jpg", "small_sha256": "f" * 64}
    return pruned_table(pruned_photo(1), pruned_photo(2, **small), noise(3, duplicate_of=1))


def test_dataset_rows__of_the_former_schema_can_be_learned_from(tmp_path: Path, rows: pa.Table) -> None:
    reason = pa.array([None, None, "noise"])
    former = rows.select(FORMER.names).set_column(FORMER.get_field_index("reason"), "reason", reason)
    published(Store(tmp_path), former, FORMER)

    _, found = dataset_rows(Store(tmp_path), PLAN)

    assert found["is_outlier"].to_pylist() == [False, False, True]
    assert found["path"].to_pylist() == [
        "photos/medium/001/1.jpg",
        "photos/medium-320/002/2.jpg",
        "photos/medium/003/3.jpg",
    ]
    assert found["sha256"][1].as_py() == "f" * 64
    for name in ("duplicate_of", "picture"):
        assert found[name].to_pylist() == [None] * 3
        assert found.schema.field(name).type == PRUNED.field(name).type
    assert found["reason"].to_pylist() == [None, None, "noise"]
    assert found["observation_uuid"].null_count == 0


def test_dataset_rows__have_what_is_known_of_copies(tmp_path: Path, rows: pa.Table) -> None:
    published(Store(tmp_path), rows, PRUNED)
    _, found = dataset_rows(Store(tmp_path), PLAN)
    assert found["duplicate_of"].to_pylist() == [None, None, 1]
