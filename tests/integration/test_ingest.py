"""Loads of snapshots into a real PostgreSQL."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from small_bucket import ROOTS, SPECIES, VARIETY, SmallBucket, ordinary, uuid_of
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from mushroom_tasks.db.engine import migrate
from mushroom_tasks.db.models import Base, Observer, Photo, Taxon
from mushroom_tasks.errors import DatabaseError, TableError
from mushroom_tasks.inat.ingest import LoadReport, latest_load, load, remember_validators
from mushroom_tasks.inat.snapshot import FetchedSnapshot, fetch
from mushroom_tasks.settings import IngestSettings, SourceSettings
from mushroom_tasks.storage import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def _snapshot(bucket: SmallBucket, store: Store, folder: Path) -> FetchedSnapshot:
    return fetch(str(bucket.write(folder)), store, SourceSettings(), None)


def _load(engine: Engine, store: Store, snapshot: FetchedSnapshot, **settings: float) -> LoadReport:
    return load(
        engine, store, snapshot, source="here", root_taxa=ROOTS, settings=IngestSettings(**settings),
        progress_folder=None,
    )  # fmt: skip


def _scalar(engine: Engine, statement: str) -> object:
    with engine.connect() as connection:
        return connection.execute(text(statement)).scalar()


def test_load__keeps_the_wanted_rows_and_the_ancestors(engine: Engine, store: Store, tmp_path: Path) -> None:
    report = _load(engine, store, _snapshot(ordinary(), store, tmp_path / "bucket"))
    counts = {name: (table.read, table.kept) for name, table in report.tables.items()}
    assert counts == {"taxa": (11, 9), "observations": (36, 33), "photos": (36, 33), "observers": (8, 8)}
    with Session(engine) as session:
        variety, life = session.get(Taxon, VARIETY), session.get(Taxon, 1)
        assert variety is not None
        assert variety.name == 'Amanita muscaria var. "guessowii"'
        assert life is not None
        assert session.get(Taxon, 100) is None
        observer = session.get(Observer, 1)
        assert observer is not None
        assert observer.name == 'O\'Brien "1"'


def test_load__leaves_the_schema_as_the_models_say(engine: Engine, store: Store, tmp_path: Path) -> None:
    _load(engine, store, _snapshot(ordinary(), store, tmp_path / "bucket"))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    migrate(engine)
    assert _scalar(engine, "SELECT count(*) FROM pg_namespace WHERE nspname = 'incoming'") == 0


def test_load__records_its_history(engine: Engine, store: Store, tmp_path: Path) -> None:
    assert latest_load(engine) is None
    first = _snapshot(ordinary(), store, tmp_path / "bucket")
    _load(engine, store, first)
    bucket = ordinary()
    bucket.observe(500, SPECIES[0], 9, [500])
    second = _snapshot(bucket, store, tmp_path / "next")
    _load(engine, store, second)
    latest = latest_load(engine)
    assert latest is not None
    assert (latest.fingerprint, tuple(latest.root_taxa), latest.source) == (second.fingerprint, ROOTS, "here")
    assert latest.validators == second.validators
    assert latest.counts["photos"]["kept"] == 34
    assert _scalar(engine, "SELECT count(*) FROM snapshots") == 2


def test_load__of_the_same_snapshot_again_is_harmless(engine: Engine, store: Store, tmp_path: Path) -> None:
    snapshot = _snapshot(ordinary(), store, tmp_path / "bucket")
    assert _load(engine, store, snapshot).tables == _load(engine, store, snapshot).tables
    assert _scalar(engine, "SELECT count(*) FROM photos") == 33


def test_remember_validators__only_of_what_is_loaded(engine: Engine, store: Store, tmp_path: Path) -> None:
    snapshot = _snapshot(ordinary(), store, tmp_path / "bucket")
    _load(engine, store, snapshot)
    remember_validators(engine, "another", {"taxa.csv.gz": {"size": 1}})
    assert latest_load(engine).validators == snapshot.validators  # type: ignore[union-attr]
    remember_validators(engine, snapshot.fingerprint, {"taxa.csv.gz": {"size": 2}})
    assert latest_load(engine).validators == {"taxa.csv.gz": {"size": 2}}  # type: ignore[union-attr]


def test_load__keeps_a_photo_of_two_observations_and_drops_repeated_rows(
    engine: Engine, store: Store, tmp_path: Path
) -> None:
    bucket = ordinary()
    bucket.observe(600, SPECIES[0], 1, [1])  # photo 1 is on observation 1 already
    bucket.photos.append(bucket.photos[4])
    bucket.taxa.append((21, "1/10/20", 10, "species", "Amanita muscaria again", "true"))
    report = _load(engine, store, _snapshot(bucket, store, tmp_path / "bucket"))
    assert report.findings["photo_ids_shared"] == 1
    assert (report.tables["photos"].duplicates, report.tables["taxa"].duplicates) == (1, 1)
    with Session(engine) as session:
        assert session.get(Photo, (1, uuid_of("observation", 600))) is not None
        assert session.get(Taxon, 21).name == "Amanita muscaria"  # type: ignore[union-attr]


def test_load__counts_photos_whose_observer_is_gone(engine: Engine, store: Store, tmp_path: Path) -> None:
    bucket = ordinary()
    bucket.observers = [row for row in bucket.observers if row[0] != 1]
    report = _load(engine, store, _snapshot(bucket, store, tmp_path / "bucket"))
    assert report.findings["photos_without_observer"] == 6


def test_load__quarantines_malformed_rows(engine: Engine, store: Store, tmp_path: Path) -> None:
    bucket = ordinary()
    bucket.photos[3] = (*bucket.photos[3][:1], "no number", *bucket.photos[3][2:])
    bucket.observations.append(("only", "three", "columns"))
    snapshot = _snapshot(bucket, store, tmp_path / "bucket")
    report = _load(engine, store, snapshot, max_malformed_ratio=0.1)
    assert (report.tables["photos"].malformed, report.tables["observations"].malformed) == (1, 1)
    assert report.quarantine == f"{snapshot.folder}/quarantine.jsonl"
    rows = [json.loads(line) for line in store.read_bytes(report.quarantine).splitlines()]
    assert [(row["file"], row["line"], row["reason"]) for row in rows] == [
        ("observations.csv.gz", 38, "3 columns in place of 9"),
        ("photos.csv.gz", None, "photo_id is malformed"),
    ]


def test_load__refuses_too_many_malformed_rows_and_keeps_the_earlier_ones(
    engine: Engine, store: Store, tmp_path: Path
) -> None:
    _load(engine, store, _snapshot(ordinary(), store, tmp_path / "bucket"))
    bucket = ordinary()
    bucket.photos[3] = (*bucket.photos[3][:1], "no number", *bucket.photos[3][2:])
    snapshot = _snapshot(bucket, store, tmp_path / "next")
    with pytest.raises(TableError, match=r"1 malformed rows of 36.*max_malformed_ratio.*photo_id is malformed"):
        _load(engine, store, snapshot)
    assert store.exists(f"{snapshot.folder}/quarantine.jsonl")
    assert _scalar(engine, "SELECT count(*) FROM photos") == 33
    assert _scalar(engine, "SELECT count(*) FROM snapshots") == 1


def _without_columns(folder: Path) -> None:
    (folder / "photos.csv.gz").write_bytes(gzip.compress(b"photo_id\tlicence\n1\tCC0\n"))


def _without_rows(folder: Path) -> None:
    text = gzip.decompress((folder / "observations.csv.gz").read_bytes())
    (folder / "observations.csv.gz").write_bytes(gzip.compress(text.split(b"\n")[0] + b"\n"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [(_without_columns, r"lacks the columns .*photo_id\\tlicence"), (_without_rows, "observations.csv.gz is empty")],
)
def test_load__refuses_wrong_columns_and_empty_tables(
    engine: Engine, store: Store, tmp_path: Path, spoil: object, message: str
) -> None:
    _load(engine, store, _snapshot(ordinary(), store, tmp_path / "bucket"))
    folder = ordinary().write(tmp_path / "next")
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(TableError, match=message):
        _load(engine, store, fetch(str(folder), store, SourceSettings(), None))
    assert _scalar(engine, "SELECT count(*) FROM photos") == 33


def test_load__refuses_roots_that_are_missing(engine: Engine, store: Store, tmp_path: Path) -> None:
    snapshot = _snapshot(ordinary(), store, tmp_path / "bucket")
    with pytest.raises(TableError, match=r"no taxon \[77\].*root_taxa"):
        load(
            engine, store, snapshot, source="here", root_taxa=(10, 77), settings=IngestSettings(), progress_folder=None
        )


def test_load__refuses_roots_without_photos(engine: Engine, store: Store, tmp_path: Path) -> None:
    bucket = ordinary()
    bucket.observations = [row for row in bucket.observations if row[5] != 101]
    snapshot = _snapshot(bucket, store, tmp_path / "bucket")
    with pytest.raises(TableError, match=r"none of the 35 rows.*\[100\]"):
        load(engine, store, snapshot, source="h", root_taxa=(100,), settings=IngestSettings(), progress_folder=None)


def test_load__refuses_a_snapshot_that_shrank(engine: Engine, store: Store, tmp_path: Path) -> None:
    _load(engine, store, _snapshot(ordinary(), store, tmp_path / "bucket"))
    bucket = ordinary()
    bucket.photos = bucket.photos[:10]
    snapshot = _snapshot(bucket, store, tmp_path / "next")
    with pytest.raises(TableError, match=r"has 10 photos.*the last one had 33.*min_kept_ratio"):
        _load(engine, store, snapshot)
    assert _scalar(engine, "SELECT count(*) FROM photos") == 33
    assert _load(engine, store, snapshot, min_kept_ratio=0.1).tables["photos"].kept == 10


def test_load__compares_sizes_only_for_the_same_roots(engine: Engine, store: Store, tmp_path: Path) -> None:
    snapshot = _snapshot(ordinary(), store, tmp_path / "bucket")
    _load(engine, store, snapshot)
    report = load(
        engine, store, snapshot, source="h", root_taxa=(100,), settings=IngestSettings(), progress_folder=None
    )
    assert report.tables["photos"].kept == 1


def test_load__lets_readers_see_all_old_or_all_new_rows(engine: Engine, store: Store, tmp_path: Path) -> None:
    small, large = ordinary(), ordinary()
    large.observe(700, SPECIES[0], 9, list(range(1000, 1400)))
    snapshots = [_snapshot(small, store, tmp_path / "small"), _snapshot(large, store, tmp_path / "large")]
    _load(engine, store, snapshots[0])
    seen, stop = set(), threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(
                _scalar(engine, "SELECT (SELECT count(*) FROM photos) * 1000 + (SELECT count(*) FROM observations)")
            )

    reader = threading.Thread(target=read)
    reader.start()
    for snapshot in (snapshots[1], snapshots[0], snapshots[1]):
        _load(engine, store, snapshot, min_kept_ratio=0)
    stop.set()
    reader.join()
    assert seen == {33_033, 433_034}


def test_load__of_two_at_once_waits_its_turn(engine: Engine, store: Store, tmp_path: Path) -> None:
    snapshot = _snapshot(ordinary(), store, tmp_path / "bucket")
    reports: list[LoadReport] = []
    threads = [threading.Thread(target=lambda: reports.append(_load(engine, store, snapshot))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reports) == 3
    assert _scalar(engine, "SELECT count(*) FROM snapshots") == 3


_KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import create_engine
from mushroom_tasks.inat import ingest
from mushroom_tasks.inat.snapshot import FetchedSnapshot
from mushroom_tasks.settings import IngestSettings
from mushroom_tasks.storage import Store

class Deadly(ingest.Progress):
    def advance(self, count=1, **details):
        if details["table"] == "photos":
            os.kill(os.getpid(), signal.SIGKILL)

ingest.Progress = Deadly
url, store, fingerprint = sys.argv[1:]
ingest.load(create_engine(url), Store(store), FetchedSnapshot(fingerprint, f"snapshots/{fingerprint}", {}, 1),
            source="h", root_taxa=(10,), settings=IngestSettings(), progress_folder=None)
"""


def test_load__can_be_killed_and_run_again(engine: Engine, database: str, store: Store, tmp_path: Path) -> None:
    bucket = ordinary()
    _load(engine, store, _snapshot(bucket, store, tmp_path / "bucket"))
    bucket.observe(500, SPECIES[0], 9, [500])
    snapshot = _snapshot(bucket, store, tmp_path / "next")
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, database, store.root, snapshot.fingerprint], check=False, env={**os.environ}
    )
    assert killed.returncode == -signal.SIGKILL
    assert _scalar(engine, "SELECT count(*) FROM photos") == 33
    assert _load(engine, store, snapshot).tables["photos"].kept == 34
    assert _scalar(engine, "SELECT count(*) FROM photos") == 34


def test_load__reports_a_lost_connection_and_keeps_the_earlier_rows(
    engine: Engine, database: str, store: Store, tmp_path: Path
) -> None:
    _load(engine, store, _snapshot(ordinary(), store, tmp_path / "bucket"))
    bucket = ordinary()
    bucket.observe(500, SPECIES[0], 9, list(range(1000, 60_000)))
    snapshot = _snapshot(bucket, store, tmp_path / "next")
    other = create_engine(database.replace("&port", "&application_name=doomed&port"))
    done = threading.Event()

    def cut() -> None:
        while not done.is_set():
            _scalar(
                engine,
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE application_name = 'doomed' AND query LIKE 'COPY incoming.photos%'",
            )
            time.sleep(0.005)

    killer = threading.Thread(target=cut)
    killer.start()
    try:
        with pytest.raises(DatabaseError, match=r"(?s)refuses or is gone.*unchanged"):
            _load(other, store, snapshot)
    finally:
        done.set()
        killer.join()
        other.dispose()
    assert _scalar(engine, "SELECT count(*) FROM photos") == 33
    assert _load(engine, store, snapshot).tables["photos"].kept == 33 + 59_000


@pytest.mark.shared
def test_load__takes_the_bucket_of_real_photos(engine: Engine, store: Store, shared_bucket: Path) -> None:
    snapshot = fetch(str(shared_bucket), store, SourceSettings(), None)
    report = load(
        engine, store, snapshot, source=str(shared_bucket), root_taxa=(47169, 48250), settings=IngestSettings(),
        progress_folder=None,
    )  # fmt: skip
    kept = {name: table.kept for name, table in report.tables.items()}
    assert kept == {"taxa": 64, "observations": 2019, "photos": 2182, "observers": 153}
    assert report.findings["photo_ids_shared"] == 6
    assert report.quarantine is None
