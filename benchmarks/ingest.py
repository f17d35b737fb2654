"""Our streaming load beside the other ways to get at iNaturalist's metadata, on one made-up snapshot.

- The documented way copies every table whole, makes its indexes, and queries the wanted taxa into tables of their own.
  It starts from the same gzip files, in a fresh database of the same PostgreSQL: seconds, and bytes on disk.
- `gzip -dc` of the same files to nothing: what is left when a program does no more than unpack.
- pyinaturalist-convert loads the files into SQLite: rows per second.

They run in turns, with the files in the system's cache. Then a snapshot with ten times the rows is loaded once, for
its memory. Needs the extra `embedded`, 4 GB below /tmp at full size (0.6 without the ten times), and a package registry
for the peer's environment on first use. Prints a table and writes `benchmarks/results/ingest.json`.

    python benchmarks/ingest.py                                             # 2M observations, 3M photos: ten minutes
    python benchmarks/ingest.py --observations 100000 --repeats 1 --no-tenfold     # while developing

Source: https://github.com/inaturalist/inaturalist-open-data/tree/main/Metadata/Import/PostgreSQL
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from inputs.snapshot import ROOTS, write_snapshot
from measured import measured
from peers import PYINATURALIST_CONVERT
from report import Row, at_least, at_most, beside, in_turns, limited, report, require_same
from sqlalchemy import Connection, Engine, create_engine, text

from mushroom_tasks.db import embedded
from mushroom_tasks.db.engine import migrate

PROGRAMS = Path(__file__).with_name("programs")
TABLES = ("taxa", "observations", "photos", "observers")
MOST_MEMORY = 600  # MB
COPY = r"COPY {} FROM STDIN DELIMITER E'\t' QUOTE E'\b' CSV HEADER"

# Types as in upstream's structure.sql. It indexes taxa (taxon_id) twice, once under the name of an index on
# observations: as documented, for that is the cheaper one to make.
DOCUMENTED = {
    "observations": "observation_uuid uuid NOT NULL, observer_id int, latitude numeric(15,10), "
    "longitude numeric(15,10), positional_accuracy int, taxon_id int, quality_grade varchar(255), observed_on date, "
    "anomaly_score float8",
    "photos": "photo_uuid uuid NOT NULL, photo_id int NOT NULL, observation_uuid uuid NOT NULL, observer_id int, "
    "extension varchar(5), license varchar(255), width smallint, height smallint, position smallint",
    "taxa": "taxon_id int NOT NULL, ancestry varchar(255), rank_level float8, rank varchar(255), name varchar(255), "
    "active boolean",
    "observers": "observer_id int NOT NULL, login varchar(255), name varchar(255)",
}
INDEXES = (
    "photos (photo_uuid)", "photos (observation_uuid)", "taxa (taxon_id)", "observers (observer_id)",
    "observations (observer_id)", "taxa (taxon_id)",
)  # fmt: skip
BELOW_ROOTS = " OR ".join(f"taxon_id = {root} OR ancestry || '/' LIKE '{line}/%'" for root, line in ROOTS.items())
WANTED = {
    "taxa": f"SELECT * FROM taxa WHERE {BELOW_ROOTS}",
    "observations": "SELECT o.* FROM observations AS o JOIN wanted_taxa USING (taxon_id)",
    "photos": "SELECT p.* FROM photos AS p JOIN wanted_observations USING (observation_uuid)",
    "observers": "SELECT * FROM observers WHERE observer_id IN "
    "(SELECT observer_id FROM wanted_observations UNION SELECT observer_id FROM wanted_photos)",
}
SIZE = "SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables"


@dataclass(frozen=True)
class Run:
    """One run of one way: seconds, MB on disk and in memory where they were taken, rows in the files."""

    seconds: float
    disk: float = 0
    memory: float = 0
    rows: int = 0
    unpacking: float = 0
    kept: tuple[int, int] | None = None  # photos: number, and sum of their ids


def documented(connection: Connection, folder: Path) -> None:
    """Copy all, index, ANALYZE, query; in one transaction, which spares it the WAL of rows as ours is spared it."""
    for name, columns in DOCUMENTED.items():
        connection.execute(text(f"CREATE TABLE {name} ({columns})"))
        with gzip.open(folder / f"{name}.csv.gz") as file, closing(connection.connection.cursor()) as cursor:
            cursor.copy_expert(COPY.format(name), file, 1 << 20)
    for index in INDEXES:
        connection.execute(text(f"CREATE INDEX ON {index}"))
    connection.execute(text("ANALYZE"))
    for name, query in WANTED.items():
        connection.execute(text(f"CREATE TABLE wanted_{name} AS {query}"))


class Ways:
    """The ways to load one bucket, each run from its own fresh start."""

    def __init__(self, home: Path, bucket: Path) -> None:
        self._home, self._bucket, self._number = home, bucket, count()

    def ours(self) -> Run:
        """Load with our own code into a migrated database; the time is that of `load`, without imports."""
        with self._database() as engine:
            migrate(engine)
            _checkpoint(engine)
            program = [sys.executable, str(PROGRAMS / "ingest_ours.py")]
            database = engine.url.render_as_string(hide_password=False)
            run = measured([*program, database, str(self._bucket), *(str(root) for root in ROOTS)])
            disk, kept = _look(engine, "photos")
        return Run(run.said["seconds"], disk, run.peak_bytes / 1e6, run.said["rows"], kept=kept)

    def documented(self) -> Run:
        """Load the documented way."""
        with self._database() as engine:
            _checkpoint(engine)
            start = time.perf_counter()
            with engine.begin() as connection:
                documented(connection, self._bucket)
            seconds = time.perf_counter() - start
            disk, kept = _look(engine, "wanted_photos")
        return Run(seconds, disk, kept=kept)

    def gzip(self) -> Run:
        """Unpack the four files to nothing."""
        files = [str(self._bucket / f"{name}.csv.gz") for name in TABLES]
        os.sync()
        start = time.perf_counter()
        subprocess.run(["gzip", "-dc", *files], stdout=subprocess.DEVNULL, check=True)
        return Run(time.perf_counter() - start)

    def pyinaturalist_convert(self) -> Run:
        """Load all into SQLite; the time is that of unpacking and loading, without imports."""
        folder = self._home / f"sqlite_{next(self._number)}"
        program = [PYINATURALIST_CONVERT.python, str(PROGRAMS / "ingest_pyinaturalist.py")]
        os.sync()
        try:
            run = measured([*program, str(self._bucket), str(folder)])
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return Run(run.said["seconds"], memory=run.peak_bytes / 1e6, unpacking=run.said["unpacking"])

    @contextmanager
    def _database(self) -> Iterator[Engine]:
        name = f"bench_{next(self._number)}"
        engine = create_engine(embedded.url(self._home, name))
        server = create_engine(embedded.url(self._home, "postgres"), isolation_level="AUTOCOMMIT")
        yield engine
        engine.dispose()
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        server.dispose()


def _checkpoint(engine: Engine) -> None:
    """Write what earlier work left to write, the other ways' too: it is not this run's."""
    os.sync()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))


def _look(engine: Engine, photos: str) -> tuple[float, tuple[int, int]]:
    """Return the MB of tables and indexes, and what photos were kept."""
    with engine.connect() as connection:
        number, total = connection.execute(text(f"SELECT count(*), sum(photo_id) FROM {photos}")).one()
        return float(connection.scalar(text(SIZE)) or 0) / 1e6, (int(number), int(total))


def compare(ways: Ways, repeats: int) -> tuple[list[Row], int]:
    """Run all ways in turns; return the rows of the table, and how many photos were kept."""
    runs = in_turns(
        {
            "ours": ways.ours,
            "documented": ways.documented,
            "gzip": ways.gzip,
            "convert": ways.pyinaturalist_convert,
        },
        repeats,
    )
    require_same("photos (number, sum of ids)", {name: runs[name][0].kept for name in ("ours", "documented")})
    seconds = {name: [run.seconds for run in way] for name, way in runs.items()}
    rows = runs["ours"][0].rows
    rates = {name: [rows / run.seconds for run in runs[name]] for name in ("ours", "convert")}
    loading = [rows / (run.seconds - run.unpacking) for run in runs["convert"]]
    disk, memory = ([run.disk for run in runs[name]] for name in ("ours", "documented")), "peak memory, MB"
    return [
        at_least("ingest: seconds, documented way", seconds["ours"], seconds["documented"], times=5, better="less"),
        at_most("ingest: MB on disk, documented way", *disk, times=0.05),
        at_most("ingest: seconds, gzip -dc", seconds["ours"], seconds["gzip"], times=1.3),
        at_least("ingest: rows/s, pyinaturalist-convert", rates["ours"], rates["convert"], times=8, better="more"),
        beside("ingest: rows/s, the same if its files come unpacked", rates["ours"], loading),
        limited(f"ingest: {memory}", [run.memory for run in runs["ours"]], limit=MOST_MEMORY, unit="MB"),
        beside(f"ingest: {memory}, pyinaturalist-convert", *([r.memory for r in runs[n]] for n in ("ours", "convert"))),
    ], runs["ours"][0].kept[0]  # type: ignore[index]


def tenfold(home: Path, observations: int, photos: int) -> list[Row]:
    """Load ten times the rows once, for the memory that takes."""
    write_snapshot(home / "tenfold", 10 * observations, 10 * photos, is_packed_fast=True)
    run = Ways(home, home / "tenfold").ours()
    return [
        limited("ingest: peak memory at ten times the rows, MB", [run.memory], limit=MOST_MEMORY, unit="MB"),
        beside("ingest: seconds at ten times the rows", [run.seconds]),
    ]


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--observations", type=int, default=2_000_000)
    parser.add_argument("--photos", type=int, help="default: three for two observations")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tenfold", action=argparse.BooleanOptionalAction, default=True)
    given = parser.parse_args()
    photos = given.photos or given.observations * 3 // 2
    home = Path(tempfile.mkdtemp(prefix="mushroom-bench-", dir="/tmp"))
    home.chmod(0o755)  # root runs the server as another user
    try:
        write_snapshot(home / "bucket", given.observations, photos)
        rows, kept = compare(Ways(home, home / "bucket"), given.repeats)
        if given.tenfold:
            rows += tenfold(home, given.observations, photos)
    finally:
        embedded.stop(home)
        shutil.rmtree(home, ignore_errors=True)
    title = f"{given.observations:,} observations, {photos:,} photos, {kept:,} kept; median of {given.repeats}"
    report("ingest", f"{title} (least-most)", rows)


if __name__ == "__main__":
    main()
