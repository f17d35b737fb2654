"""Load a snapshot into PostgreSQL: the wanted taxa, their observations, photos and observers.

Each file is streamed once (`reading`), filtered by the taxa below the roots, and copied with COPY. The whole load is
one transaction that ends by swapping the tables, so readers see the old rows or the new ones, and a load that is
killed, refused or cut off leaves the old ones as they were. Loads of the same database wait for each other.

    report = load(engine, store, snapshot, source=address, root_taxa=(47169, 48250), settings=IngestSettings(),
                  progress_folder=None)
    report.tables["photos"].kept
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Engine, MetaData, select, text
from sqlalchemy.orm import Session
from sqlalchemy.schema import AddConstraint, CreateIndex

from mushroom_tasks.db.engine import explained
from mushroom_tasks.db.models import Base, Snapshot
from mushroom_tasks.errors import TableError
from mushroom_tasks.inat.copying import copy_in
from mushroom_tasks.inat.reading import Quarantine, Reader
from mushroom_tasks.inat.snapshot import FetchedSnapshot
from mushroom_tasks.inat.tables import OBSERVATIONS, OBSERVERS, PHOTOS, TABLES, TAXA, Table
from mushroom_tasks.inat.taxonomy import ancestors, wanted
from mushroom_tasks.progress import Progress
from mushroom_tasks.settings import IngestSettings
from mushroom_tasks.storage import Store

logger = logging.getLogger(__name__)

QUARANTINE = "quarantine.jsonl"
_SQL = Path(__file__).with_name("sql")
_LOCK = 0x6C6F6164  # advisory lock: one load at a time


@dataclass(frozen=True)
class TableCounts:
    """Rows of one table: in the file, kept, malformed (and quarantined), and repeating a key."""

    read: int
    kept: int
    malformed: int
    duplicates: int


@dataclass(frozen=True)
class LoadReport:
    """What a load did.

    `tables` has counts per table; `findings` what was found among the kept rows (see sql/orphans.sql); `quarantine`
    is the path of the malformed rows, relative to the store root, or None.
    """

    fingerprint: str
    tables: dict[str, TableCounts]
    findings: dict[str, int]
    quarantine: str | None


def latest_load(engine: Engine) -> Snapshot | None:
    """Return the load whose rows the tables hold now, detached from its session; None before the first."""
    with explained(engine), Session(engine, expire_on_commit=False) as session:
        return session.scalars(_latest()).first()


def remember_validators(engine: Engine, fingerprint: str, validators: dict[str, Any]) -> None:
    """Note what the source says of the files of the snapshot that is loaded, so that the next look recognises it."""
    with explained(engine), Session(engine) as session, session.begin():
        latest = session.scalars(_latest()).first()
        if latest is not None and latest.fingerprint == fingerprint:
            latest.validators = validators


def load(
    engine: Engine,
    store: Store,
    snapshot: FetchedSnapshot,
    *,
    source: str,
    root_taxa: Sequence[int],
    settings: IngestSettings,
    progress_folder: Path | None,
) -> LoadReport:
    """Replace the rows of all tables by those of `snapshot` that belong to `root_taxa`, and record the load.

    Raises TableError (wrong columns, no rows, too many malformed rows, far fewer photos than the last load had) and
    DatabaseError (the server refuses or is gone); the earlier rows stay then. Malformed rows below
    `settings.max_malformed_ratio` are written to `quarantine.jsonl` beside the snapshot.
    """
    quarantine = Quarantine()
    path = f"{snapshot.folder}/{QUARANTINE}"
    try:
        with (
            Progress("ingest", total=0, unit="rows", folder=progress_folder) as progress,
            explained(engine),
            engine.begin() as connection,
        ):
            _wait_for_turn(connection)
            work = _Load(connection, store, snapshot.folder, tuple(root_taxa), settings, quarantine, progress)
            counts, findings = work.run()
            connection.execute(
                Snapshot.__table__.insert().values(  # type: ignore[attr-defined]
                    fingerprint=snapshot.fingerprint,
                    source=source,
                    validators=snapshot.validators,
                    root_taxa=list(root_taxa),
                    counts={name: asdict(table) for name, table in counts.items()},
                )
            )
    finally:
        quarantine.write(store, path)
    malformed = sum(table.malformed for table in counts.values())
    return LoadReport(snapshot.fingerprint, counts, findings, path if malformed else None)


def _latest() -> Any:
    return select(Snapshot).order_by(Snapshot.id.desc()).limit(1)


def _wait_for_turn(connection: Connection) -> None:
    if not connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}):
        logger.info("another load is under way in this database; waiting for it to end")
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


@dataclass
class _Load:
    """One load, inside its transaction."""

    connection: Connection
    store: Store
    folder: str
    root_taxa: tuple[int, ...]
    settings: IngestSettings
    quarantine: Quarantine
    progress: Progress
    counts: dict[str, TableCounts] = field(default_factory=dict)

    def run(self) -> tuple[dict[str, TableCounts], dict[str, int]]:
        self._script("incoming")
        taxa = self._taxa()
        observations, observers = _Distinct("observation_uuid"), _Distinct("observer_id")
        self._copy(OBSERVATIONS, ("taxon_id", taxa), observations, observers)
        self._copy(PHOTOS, ("observation_uuid", observations.values()), observers)
        self._copy(OBSERVERS, ("observer_id", observers.values()))
        self._require_as_many_as_before()
        self._index()
        findings = dict(self.connection.execute(text(_sql("orphans"))).mappings().one())
        schema = self.connection.scalar(text("SELECT quote_ident(current_schema())"))
        self._script("swap", schema=str(schema))
        return self.counts, findings

    def _taxa(self) -> pa.Array:
        """Copy the roots, their descendants and ancestors; return the ids of roots and descendants, as text."""
        lines = self._root_lines()
        ids = _Distinct("taxon_id")

        def kept(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                below = wanted(batch, self.root_taxa)
                ids.add(batch.filter(below))
                yield batch.filter(pc.or_(below, pc.is_in(batch["taxon_id"], lines)))

        reader = Reader(self.store, self.folder, TAXA, self.quarantine)
        self._fill(TAXA, reader, kept(reader.batches()))
        return ids.values()

    def _root_lines(self) -> pa.Array:
        """Return the ids of the roots' ancestors; TableError where a root is not in the file."""
        roots = pa.array([str(taxon_id) for taxon_id in self.root_taxa])
        # Malformed rows are counted and kept when the table is copied; this pass only looks for the roots.
        reader = Reader(self.store, self.folder, TAXA, Quarantine())
        found = {}
        for batch in reader.batches(("taxon_id", roots)):
            found.update({row["taxon_id"]: ancestors(row["ancestry"]) for row in batch.to_pylist()})
        missing = sorted(set(self.root_taxa) - found.keys())
        if missing and reader.rows and not reader.malformed:
            raise TableError(
                f"{self.folder}/{TAXA.file} has no taxon {missing}. Received root_taxa: {list(self.root_taxa)}. Look "
                "their ids up at https://www.inaturalist.org/taxa and set `root_taxa`."
            )
        return pa.array(sorted({taxon_id for line in found.values() for taxon_id in line}), pa.int64())

    def _copy(self, table: Table, keep: tuple[str, pa.Array], *collected: _Distinct) -> None:
        def seen(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                for distinct in collected:
                    distinct.add(batch)
                yield batch

        reader = Reader(self.store, self.folder, table, self.quarantine)
        self._fill(table, reader, seen(reader.batches(keep)))

    def _fill(self, table: Table, reader: Reader, batches: Iterator[pa.RecordBatch]) -> None:
        kept = copy_in(self.connection, f"incoming.{table.name}", table.names, self._watched(reader, batches))
        self._require_rows(table, reader)
        if kept == 0 and table is not OBSERVERS:
            raise TableError(
                f"none of the {reader.rows} rows of {self.folder}/{table.file} belongs to the root taxa "
                f"{list(self.root_taxa)}. Check the setting `root_taxa`, and that the files are of one snapshot."
            )
        repeated = self.connection.exec_driver_sql(
            _sql("deduplicate").format(table=table.name, key=", ".join(table.key))
        ).rowcount
        self.counts[table.name] = TableCounts(reader.rows, kept - repeated, reader.malformed, repeated)

    def _watched(self, reader: Reader, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        before = 0
        for batch in batches:
            self.progress.advance(reader.rows - before, table=reader.table.name)
            before = reader.rows
            yield batch
        self.progress.advance(reader.rows - before, table=reader.table.name)

    def _require_rows(self, table: Table, reader: Reader) -> None:
        if reader.rows == 0:
            raise TableError(f"{self.folder}/{table.file} is empty: it has its columns, but no row. {_DAMAGED}")
        if reader.malformed > reader.rows * self.settings.max_malformed_ratio:
            raise TableError(
                f"{self.folder}/{table.file} has {reader.malformed} malformed rows of {reader.rows}, more than "
                f"ingest.max_malformed_ratio = {self.settings.max_malformed_ratio:g} allows. The first: "
                f"{self.quarantine.first(table.file)}. They are in {self.store.address(self.folder, QUARANTINE)}."
            )

    def _require_as_many_as_before(self) -> None:
        last = self.connection.execute(
            select(Snapshot.root_taxa, Snapshot.counts).order_by(Snapshot.id.desc()).limit(1)
        ).first()
        if last is None or set(last.root_taxa) != set(self.root_taxa):
            return
        kept, before = self.counts["photos"].kept, last.counts["photos"]["kept"]
        if kept < before * self.settings.min_kept_ratio:
            raise TableError(
                f"this snapshot has {kept} photos of the wanted taxa, the last one had {before}: less than "
                f"ingest.min_kept_ratio = {self.settings.min_kept_ratio:g} allows. {_DAMAGED} If it is right, lower "
                "that setting for one load."
            )

    def _index(self) -> None:
        """Give the filled tables the keys and indexes of the models, under the same names."""
        copies = MetaData(schema="incoming", naming_convention=Base.metadata.naming_convention)
        for name in TABLES:
            table = Base.metadata.tables[name].to_metadata(copies, schema="incoming")
            self.connection.execute(AddConstraint(table.primary_key))
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                self.connection.execute(CreateIndex(index))
            self.connection.execute(text(f"ANALYZE incoming.{name}"))

    def _script(self, name: str, **names: str) -> None:
        self.connection.exec_driver_sql(_sql(name).format(**names))


_DAMAGED = "The snapshot is damaged or incomplete: fetch another."


def _sql(name: str) -> str:
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")


class _Distinct:
    """Collects the distinct values of a column, batch by batch."""

    def __init__(self, column: str) -> None:
        self._column = column
        self._parts: list[pa.Array] = []

    def add(self, batch: pa.RecordBatch) -> None:
        self._parts.append(batch[self._column].unique())

    def values(self) -> pa.Array:
        """Return the values as text, as the files have them."""
        if not self._parts:
            return pa.array([], pa.string())
        return pa.chunked_array(self._parts).unique().cast(pa.string())
