"""manifests: Parquet with a declared schema and a fingerprint."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mushroom_tasks import manifests
from mushroom_tasks.errors import StorageError
from mushroom_tasks.storage import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path)


def _downloads(**changed: object) -> pa.Table:
    row = {
        "photo_id": 1,
        "status": "ok",
        "failure": None,
        "detail": None,
        "path": "photos/001/1.jpg",
        "sha256": "ab",
        "bytes": 10,
        "width": 4,
        "height": 3,
        "format": "JPEG",
        "small_path": "photos/medium-256/001/1.jpg",
        "small_sha256": "cd",
    }
    return pa.table({name: [value] for name, value in {**row, **changed}.items()})


def test_write_manifest__reads_back_with_its_fingerprint(store: Store) -> None:
    manifests.write_manifest(store, "d.parquet", _downloads(), manifests.DOWNLOADS, "f00d")
    table = manifests.read_manifest(store, "d.parquet", manifests.DOWNLOADS)
    assert table.schema.names == manifests.DOWNLOADS.names
    assert table.schema.types == manifests.DOWNLOADS.types
    assert table.to_pylist() == _downloads().to_pylist()
    assert manifests.manifest_fingerprint(store, "d.parquet") == "f00d"


def test_write_manifest__gives_the_same_bytes_for_the_same_rows(store: Store) -> None:
    chunks = pa.concat_tables([_downloads(), _downloads(photo_id=2)])
    for path in ("1.parquet", "2.parquet"):
        manifests.write_manifest(store, path, chunks, manifests.DOWNLOADS, "f00d")
    assert store.read_bytes("1.parquet") == store.read_bytes("2.parquet")


def test_write_manifest__orders_and_drops_columns_as_declared(store: Store) -> None:
    table = _downloads().select(list(reversed(manifests.DOWNLOADS.names))).append_column("note", pa.array(["x"]))
    manifests.write_manifest(store, "d.parquet", table, manifests.DOWNLOADS, "f")
    assert manifests.read_manifest(store, "d.parquet", manifests.DOWNLOADS).schema.names == manifests.DOWNLOADS.names


def test_write_manifest__refuses_wrong_columns(store: Store) -> None:
    with pytest.raises(StorageError, match=r"lacks columns \['sha256'\]"):
        manifests.write_manifest(store, "d.parquet", _downloads().drop_columns(["sha256"]), manifests.DOWNLOADS, "f")
    assert not store.exists("d.parquet")


@pytest.mark.parametrize(
    "changed", [{"bytes": "many"}, {"width": 2**40}, {"photo_id": None}], ids=["text", "overflow", "null"]
)
def test_write_manifest__refuses_values_that_do_not_fit(store: Store, changed: dict[str, object]) -> None:
    with pytest.raises(StorageError, match=r"d\.parquet does not fit its schema"):
        manifests.write_manifest(store, "d.parquet", _downloads(**changed), manifests.DOWNLOADS, "f")
    assert not store.exists("d.parquet")


def test_read_manifest__reads_some_columns(store: Store) -> None:
    manifests.write_manifest(store, "d.parquet", _downloads(), manifests.DOWNLOADS, "f")
    table = manifests.read_manifest(store, "d.parquet", manifests.DOWNLOADS, ["sha256", "photo_id"])
    assert table.to_pylist() == [{"sha256": "ab", "photo_id": 1}]


def test_read_manifest__names_a_missing_one(store: Store) -> None:
    with pytest.raises(StorageError, match=r"no manifest at .*gone\.parquet"):
        manifests.read_manifest(store, "gone.parquet", manifests.DOWNLOADS)
    assert manifests.manifest_fingerprint(store, "gone.parquet") is None


@pytest.mark.parametrize("content", [b"", b"PAR1 but no more", b"photo_id,status\n1,ok\n"])
def test_read_manifest__names_a_file_that_is_no_parquet(store: Store, content: bytes) -> None:
    store.write_bytes("d.parquet", content)
    with pytest.raises(StorageError, match=r"d\.parquet is no Parquet file"):
        manifests.read_manifest(store, "d.parquet", manifests.DOWNLOADS)
    assert manifests.manifest_fingerprint(store, "d.parquet") is None


def test_read_manifest__refuses_wrong_columns(store: Store) -> None:
    with store.open_atomic("d.parquet") as file:
        pq.write_table(pa.table({"photo_id": [1]}), file)
    with pytest.raises(StorageError, match=r"lacks columns .*Received: \['photo_id'\]"):
        manifests.read_manifest(store, "d.parquet", manifests.DOWNLOADS)
    with pytest.raises(StorageError, match=r"lacks columns \['sha256'\].*Received: \['photo_id'\]"):
        manifests.read_manifest(store, "d.parquet", manifests.DOWNLOADS, ["photo_id", "sha256"])
    assert manifests.manifest_fingerprint(store, "d.parquet") is None


def test_embeddings_schema__fixes_the_number_of_features(store: Store) -> None:
    schema = manifests.embeddings_schema(3)
    table = pa.table({"photo_id": [1], "sha256": ["ab"], "embedding": [[0.0, 1.0, 2.0]]})
    manifests.write_manifest(store, "e.parquet", table, schema, "f")
    assert manifests.read_manifest(store, "e.parquet", schema)["embedding"].to_pylist() == [[0.0, 1.0, 2.0]]
    with pytest.raises(StorageError, match="does not fit"):
        manifests.write_manifest(store, "e.parquet", table, manifests.embeddings_schema(4), "f")


def test_pruned__has_what_a_data_set_promises() -> None:
    promised = {"photo_id", "scientific_name", "split", "is_outlier", "reason", "outlier_score"}
    assert promised <= set(manifests.PRUNED.names)
    assert set(manifests.SELECTION.names) <= set(manifests.PRUNED.names)
    assert len(set(manifests.PRUNED.names)) == len(manifests.PRUNED.names)


def test_content_hash__depends_on_the_values_and_not_on_how_they_are_cut() -> None:
    table = pa.table({"photo_id": [1, 2, 3], "sha256": ["a", None, "c"]})
    whole = manifests.content_hash(table, table.schema.names)
    pieces = manifests.ContentHash(table.schema.names)
    for start in range(3):
        pieces.add(table.slice(start, 1))

    assert pieces.hexdigest() == whole
    assert manifests.content_hash(table.set_column(1, "sha256", pa.array(["a", "None", "c"])), ["sha256"]) not in whole
