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
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Engine, MetaData, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateIndex

from mushroom_tasks.arrays import to_arrow, to_numpy
from mushroom_tasks.db.copying import copy_in
from mushroom_tasks.db.engine import explained
from mushroom_tasks.db.models import Base, Snapshot
from mushroom_tasks.db.sql_files import read_sql
from mushroom_tasks.errors import TableError
from mushroom_tasks.inat.loading.checks import DAMAGED, TableCounts, require_plausible
from mushroom_tasks.inat.loading.keys import LARGEST_ID, ByIds, ByUuids, Ids, Uuids, Wanted
from mushroom_tasks.inat.loading.quarantine import Quarantine
from mushroom_tasks.inat.loading.reading import Reader
from mushroom_tasks.inat.refresh.history import adopt, loaded_already, wait_for_turn
from mushroom_tasks.inat.snapshots.snapshot import FetchedSnapshot
from mushroom_tasks.inat.tables import OBSERVATIONS, OBSERVERS, PHOTOS, TABLES, TAXA, Table
from mushroom_tasks.inat.taxonomy import ancestors, wanted
from mushroom_tasks.inat.vectors import Words, uuid_words
from mushroom_tasks.progress import Progress
from mushroom_tasks.settings import IngestSettings
from mushroom_tasks.storage import Store

logger = logging.getLogger(__name__)

QUARANTINE = "quarantine.jsonl"
_FULL = 100  # per cent of an index page: no row is ever added to a table that is loaded
_KNOWN, _WANTED = 1, 2  # kinds of taxa
_Keep = Callable[[pa.RecordBatch], pa.RecordBatch]


@dataclass(frozen=True)
class LoadReport:
    """What a load did.

    `tables` has counts per table; `findings` what was found among the kept rows (see sql/findings.sql); `quarantine`
    is the path of the malformed rows, relative to the store root, or None.
    """

    fingerprint: str
    tables: dict[str, TableCounts]
    findings: dict[str, int]
    quarantine: str | None


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

    Raises TableError (wrong columns, no rows, too many malformed rows, counts that are implausible in themselves or
    beside those of the last load: see `checks`) and DatabaseError (the server refuses or is gone); the earlier rows
    stay then. The first 1,000 malformed rows of each file are written to `quarantine.jsonl` beside the snapshot, also
    where they are too many for the load; all are counted.

    Nothing is loaded where the tables hold that snapshot of these root taxa, as they do when another process loaded it
    while this one waited: loading it once more would leave the same snapshot for a rollback. The report is then that
    of the load that was.
    """
    quarantine = Quarantine()
    with (
        ExitStack() as afterwards,
        Progress("ingest", total=0, unit="rows", folder=progress_folder) as progress,
        explained(engine),
        engine.begin() as connection,
    ):
        wait_for_turn(connection)
        there = loaded_already(connection, snapshot.fingerprint, root_taxa)
        if there is not None:
            logger.info("snapshot %s is loaded already, at %s; the tables stay", snapshot.fingerprint, there.loaded_at)
            return _report(snapshot, {name: TableCounts(**c) for name, c in there.counts.items()}, there.findings)
        # When the transaction has ended, be it with an error.
        afterwards.callback(quarantine.write, store, f"{snapshot.folder}/{QUARANTINE}")
        work = _Load(connection, store, snapshot.folder, tuple(root_taxa), settings, quarantine, progress)
        counts, findings = work.run()
        adopt(
            connection,
            fingerprint=snapshot.fingerprint,
            source=source,
            validators=snapshot.validators,
            root_taxa=root_taxa,
            counts={name: asdict(table) for name, table in counts.items()},
            findings=findings,
            max_withdrawn_ratio=settings.max_withdrawn_ratio,
        )
    return _report(snapshot, counts, findings)


def _report(snapshot: FetchedSnapshot, counts: dict[str, TableCounts], findings: dict[str, int]) -> LoadReport:
    has_quarantine = any(table.malformed for table in counts.values())
    path = f"{snapshot.folder}/{QUARANTINE}"
    return LoadReport(snapshot.fingerprint, counts, findings, path if has_quarantine else None)


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
        """Fill, index and check the tables of schema `incoming`, so that they can be adopted."""
        self.connection.exec_driver_sql(read_sql(__file__, "incoming"))
        identified = ByIds("taxon_id", self._fill_taxa(), least=_WANTED, empty_is_fine=True)
        observations, observers = self._fill_observations(identified)
        self._fill_photos(observations, observers)
        self._fill(OBSERVERS, ByIds("observer_id", observers))
        for table in TABLES.values():
            self._index(table)
        findings = {"observations_of_missing_taxa": identified.unknown, **self._findings()}
        self._require_plausible(findings)
        return self.counts, findings

    def _fill_taxa(self) -> Ids:
        """Copy the roots, their descendants and ancestors; return all ids of the file, those below the roots marked."""
        lines = self._root_lines()
        ids = Ids()

        def keep(batch: pa.RecordBatch) -> pa.RecordBatch:
            below = wanted(batch, self.root_taxa)
            ids.add(to_numpy(batch["taxon_id"]), _KNOWN)
            ids.add(to_numpy(batch["taxon_id"].filter(below)), _WANTED)
            return batch.filter(pc.or_(below, pc.is_in(batch["taxon_id"], lines)))

        self._fill(TAXA, None, keep)
        return ids

    def _root_lines(self) -> pa.Array:
        """Return the ids of the roots' ancestors; TableError where a root is not in the file."""
        roots = Ids()
        roots.add(np.array([taxon_id for taxon_id in self.root_taxa if 0 <= taxon_id <= LARGEST_ID], np.int64))
        # Malformed rows are counted and kept when the table is copied; this pass only looks for the roots.
        reader = Reader(self.store, self.folder, TAXA, Quarantine())
        found = {}
        for batch in reader.batches(ByIds("taxon_id", roots)):
            found.update({row["taxon_id"]: ancestors(row["ancestry"]) for row in batch.to_pylist()})
        missing = sorted(set(self.root_taxa) - found.keys())
        if missing and reader.rows and not self._is_too_malformed(reader):
            raise TableError(
                f"{self.folder}/{TAXA.file} has no taxon {missing}. Received root_taxa: {list(self.root_taxa)}. Look "
                "their ids up at https://www.inaturalist.org/taxa and set `root_taxa`."
            )
        return to_arrow(np.array(sorted({taxon_id for line in found.values() for taxon_id in line}), np.int32))

    def _fill_observations(self, identified: ByIds) -> tuple[Uuids, Ids]:
        """Copy the observations of the wanted taxa; return their uuids, and the ids of their observers."""
        uuids, observers = list[Words](), Ids()

        def keep(batch: pa.RecordBatch) -> pa.RecordBatch:
            uuids.append(uuid_words(batch["observation_uuid"]))
            observers.add(to_numpy(batch["observer_id"]))
            return batch

        self._fill(OBSERVATIONS, identified, keep)
        return Uuids(uuids), observers

    def _fill_photos(self, observations: Uuids, observers: Ids) -> None:
        """Copy the photos of the kept observations; add the ids of their photographers to `observers`."""

        def keep(batch: pa.RecordBatch) -> pa.RecordBatch:
            observers.add(to_numpy(batch["observer_id"]))
            return batch

        self._fill(PHOTOS, ByUuids("observation_uuid", observations), keep)

    def _fill(self, table: Table, by: Wanted | None, keep: _Keep = lambda batch: batch) -> None:
        """Copy what `keep` returns of each batch of the rows that `by` wants (None: all), and count the rows."""
        reader = Reader(self.store, self.folder, table, self.quarantine)
        batches = (keep(batch) for batch in self._watched(reader, by))
        kept = copy_in(self.connection, f"incoming.{table.name}", table.names, batches, is_new=True)
        self._require_rows(table, reader)
        if kept == 0 and table is not OBSERVERS:
            raise TableError(
                f"none of the {reader.rows} rows of {self.folder}/{table.file} belongs to the root taxa "
                f"{list(self.root_taxa)}. Check the setting `root_taxa`, and that the files are of one snapshot."
            )
        self.counts[table.name] = TableCounts(reader.rows, kept, reader.malformed, duplicates=0)

    def _watched(self, reader: Reader, by: Wanted | None) -> Iterator[pa.RecordBatch]:
        before = 0
        for batch in reader.batches(by):
            self.progress.advance(reader.rows - before, table=reader.table.name)
            before = reader.rows
            yield batch

    def _require_rows(self, table: Table, reader: Reader) -> None:
        if reader.rows == 0:
            raise TableError(f"{self.folder}/{table.file} is empty: it has its columns, but no row. {DAMAGED}")
        if self._is_too_malformed(reader):
            raise TableError(
                f"{self.folder}/{table.file} has {reader.malformed} malformed rows of {reader.rows}, more than "
                f"ingest.max_malformed_ratio = {self.settings.max_malformed_ratio:g} allows. The first: "
                f"{self.quarantine.first(table.file)}. They are in {self.store.address(self.folder, QUARANTINE)}."
            )

    def _is_too_malformed(self, reader: Reader) -> bool:
        return reader.malformed > reader.rows * self.settings.max_malformed_ratio

    def _index(self, table: Table) -> None:
        """Give a filled table the key and the indexes of its model, under the same names."""
        try:
            with self.connection.begin_nested():
                self._index_key(table)
        except IntegrityError:
            self._remove_repeated(table)
            self._index_key(table)
        copies = MetaData(schema="incoming", naming_convention=Base.metadata.naming_convention)
        copy = Base.metadata.tables[table.name].to_metadata(copies, schema="incoming")
        for index in sorted(copy.indexes, key=lambda index: str(index.name)):
            index.dialect_kwargs["postgresql_with"] = {"fillfactor": _FULL}
            self.connection.execute(CreateIndex(index))
        self.connection.execute(text(f"ANALYZE incoming.{table.name}"))

    def _index_key(self, table: Table) -> None:
        statement = read_sql(__file__, "key").format(table=table.name, key=", ".join(table.key), fillfactor=_FULL)
        self.connection.exec_driver_sql(statement)

    def _remove_repeated(self, table: Table) -> None:
        statement = read_sql(__file__, "deduplicate").format(table=table.name, key=", ".join(table.key))
        repeated = self.connection.exec_driver_sql(statement).rowcount
        counted = self.counts[table.name]
        self.counts[table.name] = replace(counted, kept=counted.kept - repeated, duplicates=repeated)

    def _findings(self) -> dict[str, int]:
        return dict(self.connection.execute(text(read_sql(__file__, "findings"))).mappings().one())

    def _require_plausible(self, findings: dict[str, int]) -> None:
        columns = (Snapshot.root_taxa, Snapshot.counts)
        last = self.connection.execute(select(*columns).order_by(Snapshot.id.desc()).limit(1)).first()
        require_plausible(
            self.counts,
            findings,
            self.settings,
            last=None if last is None else last.counts,
            is_same_scope=last is not None and set(last.root_taxa) == set(self.root_taxa),
        )
