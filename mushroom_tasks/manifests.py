"""Manifests: the Parquet tables that stages hand to each other, with their declared schemas.

A manifest carries the fingerprint of the inputs and settings it was made from in its Parquet metadata, so a
stage can tell that its work is done without reading rows. Readers check the schema: a column that is missing or
of another type is an error, not a surprise three stages later.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mushroom_tasks.errors import StorageError
from mushroom_tasks.storage import Store

logger = logging.getLogger(__name__)

SPLITS = ("train", "validation", "test")
# Codes of what makes a photo poor (see photos.quality), and what each says to people.
QUALITY_ISSUES = {
    "tiny": "has too few pixels",
    "narrow": "is too long and narrow",
    "dark": "is too dark even where it is brightest",
    "blank": "shows next to nothing",
    "text": "is mostly text",
    "blurred": "is sharp nowhere",
}
_FINGERPRINT_KEY = b"mushroom.fingerprint"
_BUFFER = 1 << 18

SELECTION = pa.schema(
    [
        pa.field("photo_id", pa.int64(), nullable=False),
        pa.field("photo_uuid", pa.string(), nullable=False),
        pa.field("observation_uuid", pa.string(), nullable=False),
        pa.field("observer_id", pa.int64(), nullable=False),
        pa.field("login", pa.string()),
        pa.field("observer_name", pa.string()),
        pa.field("taxon_id", pa.int64(), nullable=False),  # of the species, after infraspecific roll-up
        pa.field("scientific_name", pa.string(), nullable=False),
        pa.field("license", pa.string(), nullable=False),
        pa.field("extension", pa.string(), nullable=False),
        pa.field("position", pa.int32()),
        pa.field("latitude", pa.float64()),
        pa.field("longitude", pa.float64()),
        pa.field("observed_on", pa.date32()),
        pa.field("split", pa.string(), nullable=False),
    ]
)

DOWNLOADS = pa.schema(
    [
        pa.field("photo_id", pa.int64(), nullable=False),
        pa.field("status", pa.string(), nullable=False),  # "ok" or "failed"
        pa.field("failure", pa.string()),  # reason code, null where ok
        pa.field("detail", pa.string()),  # what was received, null where ok
        pa.field("path", pa.string()),  # relative to the store root, null where failed
        pa.field("sha256", pa.string()),
        pa.field("bytes", pa.int64()),
        pa.field("width", pa.int32()),  # pixels, after EXIF orientation
        pa.field("height", pa.int32()),
        pa.field("format", pa.string()),  # by content: JPEG, PNG, ...
        pa.field("small_path", pa.string()),  # the smaller copy that training reads, null where there is none
        pa.field("small_sha256", pa.string()),
    ]
)


def embeddings_schema(features: int) -> pa.Schema:
    """Return the schema of an embeddings shard: one row per photo content, `features` float32 values."""
    return pa.schema(
        [
            pa.field("photo_id", pa.int64(), nullable=False),
            pa.field("sha256", pa.string(), nullable=False),
            pa.field("embedding", pa.list_(pa.float32(), features), nullable=False),
        ]
    )


STORED = ("path", "sha256", "bytes", "width", "height", "format", "small_path", "small_sha256")
OBTAINED = ("photo_id", "sha256", "small_sha256")  # what tells one download of a selection from another
_DOWNLOADED = [DOWNLOADS.field(name) for name in STORED]
PRUNED = pa.schema(
    [
        *SELECTION,
        *_DOWNLOADED,
        pa.field("cluster_label", pa.int32(), nullable=False),  # DBSCAN's labels_ within the class, -1 is noise
        pa.field("is_outlier", pa.bool_(), nullable=False),  # left out of training, by rule or by a person
        pa.field("reason", pa.string(), nullable=False),  # what the rules found, a code of curation.reasons
        pa.field("outlier_score", pa.float32(), nullable=False),  # 0 typical ... 1 surely not this class
        pa.field("doubt", pa.string()),  # why a person should look, a code of curation.reasons; null: no need
        pa.field("label_score", pa.float32()),  # probability of the label, from photos by others; null: not known
        pa.field("suggested_taxon_id", pa.int64()),  # the likeliest other species of the data set
        pa.field("duplicate_of", pa.int64()),  # photo_id of the photo that stands for this one too
        pa.field("picture", pa.int64()),  # lowest photo_id of the same picture, of any species; null: no other photo
        pa.field("sharpness", pa.float32(), nullable=False),  # this and the next three: see photos.quality
        pa.field("brightness", pa.float32(), nullable=False),
        pa.field("contrast", pa.float32(), nullable=False),
        pa.field("text_share", pa.float32(), nullable=False),
        pa.field("quality_issue", pa.string()),  # a key of QUALITY_ISSUES, whatever the reason; null: none
        pa.field("decision", pa.string()),  # a person's verdict, see curation.review; null: none
    ]
)


def for_learning(table: pa.Table) -> pa.Table:
    """Return the rows with `path` and `sha256` of what learning reads: the smaller copy where there is one.

    Embeddings and prepared pixels are kept by `sha256`, so those of a copy and of its original stay apart.
    """
    for name in ("path", "sha256"):
        read = pc.coalesce(table[f"small_{name}"], table[name])
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), read)
    return table


class ContentHash:
    """A checksum of the values of some columns, of rows that come in pieces; the same on every machine."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = {name: hashlib.sha256() for name in columns}

    def add(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Add more rows; how they are cut into pieces does not matter."""
        for name, column in self._columns.items():
            column.update("".join(f"{value!r}\n" for value in rows[name].to_pylist()).encode())

    def hexdigest(self) -> str:
        """Return the checksum of what was added so far."""
        return " ".join(f"{name} {column.hexdigest()}" for name, column in self._columns.items())


def content_hash(table: pa.Table, columns: Sequence[str]) -> str:
    """Return the checksum of a whole table."""
    content = ContentHash(columns)
    content.add(table)
    return content.hexdigest()


def write_manifest(store: Store, path: str, table: pa.Table, schema: pa.Schema, fingerprint: str) -> None:
    """Write `table` atomically as a manifest with this schema and fingerprint.

    The bytes depend on the content alone: no times, no machine names.
    """
    checked = _conform(table, schema, path)
    metadata = {**(checked.schema.metadata or {}), _FINGERPRINT_KEY: fingerprint.encode()}
    with store.open_atomic(path) as file:
        pq.write_table(checked.replace_schema_metadata(metadata), file, compression="zstd")


def read_manifest(store: Store, path: str, schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """Read a manifest and check it against its schema; `columns` reads only those.

    Raises StorageError where the file is missing or does not conform.
    """
    with _opened(store, path) as file:
        table = file.read(columns=columns)
    expected = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    return _conform(table, expected, path)


@contextmanager
def manifest_writer(store: Store, path: str, schema: pa.Schema, fingerprint: str) -> Iterator[pq.ParquetWriter]:
    """Write a manifest batch by batch (`write_batch`), each with this very schema; it appears when the block ends."""
    metadata = {_FINGERPRINT_KEY: fingerprint.encode()}
    with (
        store.open_atomic(path) as file,
        pq.ParquetWriter(file, schema.with_metadata(metadata), compression="zstd") as writer,
    ):
        yield writer


def read_batches(
    store: Store, path: str, schema: pa.Schema, columns: list[str] | None = None, rows: int = 8192
) -> Iterator[pa.RecordBatch]:
    """Read a manifest as `read_manifest` does, but so many rows at a time, in memory that its length does not touch."""
    expected = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    with _opened(store, path) as file:
        for batch in file.iter_batches(batch_size=rows, columns=columns):
            yield from _conform(pa.Table.from_batches([batch]), expected, path).to_batches()


def manifest_fingerprint(store: Store, path: str) -> str | None:
    """Return the fingerprint in a manifest's metadata, or None where there is none.

    A damaged manifest has none either, so that its stage makes it anew.
    """
    if not store.exists(path):
        return None
    try:
        with store.open(path) as file:
            metadata: dict[bytes, Any] = pq.read_schema(file).metadata or {}
    except pa.ArrowInvalid as error:
        logger.warning("%s is no Parquet file and will be made anew: %s", store.address(path), error)
        return None
    value = metadata.get(_FINGERPRINT_KEY)
    return value.decode() if value else None


@contextmanager
def _opened(store: Store, path: str) -> Iterator[pq.ParquetFile]:
    try:
        with store.open(path) as file:
            # Column chunks are streamed, not read whole: a million rows are one row group.
            yield pq.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER)
    except FileNotFoundError as error:
        raise StorageError(f"no manifest at {store.address(path)}. Run the stage that makes it first.") from error
    except pa.ArrowInvalid as error:
        raise StorageError(f"{store.address(path)} is no Parquet file: {error}. Delete it and run again.") from error


def _conform(table: pa.Table, schema: pa.Schema, path: str) -> pa.Table:
    missing = [name for name in schema.names if name not in table.schema.names]
    if missing:
        raise StorageError(f"manifest {path} lacks columns {missing}. Received: {table.schema.names}")
    try:
        return table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, ValueError) as error:
        raise StorageError(f"manifest {path} does not fit its schema: {error}") from error
