"""Our streaming load beside the way that iNaturalist's documentation describes, on one made-up snapshot.

The documented way copies every table whole, makes its indexes, and then queries the wanted taxa into tables of their
own. Both ways start from the same gzip files and write into fresh databases of one embedded PostgreSQL, in turns,
with the caches of the files warm. Wall time (median) and bytes on disk in PostgreSQL are compared. Needs the extra
`embedded`, about 1 GB below /tmp and no network. Prints a table and writes `benchmarks/results/ingest.json`.

    python benchmarks/ingest.py --observations 300000 --repeats 3

Source: https://github.com/inaturalist/inaturalist-open-data/tree/main/Metadata/Import/PostgreSQL
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from inputs.snapshot import ROOTS, write_snapshot
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, Engine, create_engine, text

from mushroom_tasks.db import embedded
from mushroom_tasks.db.engine import migrate
from mushroom_tasks.inat.ingest import load
from mushroom_tasks.inat.snapshot import FetchedSnapshot, fetch
from mushroom_tasks.settings import IngestSettings, SourceSettings
from mushroom_tasks.storage import Store

RESULTS = Path(__file__).with_name("results") / "ingest.json"
TARGET = 2.0  # peer / ours, in seconds and in bytes
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
    """One load: wall seconds, bytes of tables and indexes, and what it kept (number and sum of photo_id)."""

    seconds: float
    bytes: int
    photos: tuple[int, int]


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


def run_ours(engine: Engine, store: Store, snapshot: FetchedSnapshot) -> Run:
    """Load with our own code into a migrated database."""
    migrate(engine)

    def work() -> None:
        load(
            engine, store, snapshot, source="benchmark", root_taxa=tuple(ROOTS), settings=IngestSettings(),
            progress_folder=None,
        )  # fmt: skip

    return _timed(engine, work, "photos")


def run_documented(engine: Engine, store: Store, snapshot: FetchedSnapshot) -> Run:
    """Load the documented way."""

    def work() -> None:
        with engine.begin() as connection:
            documented(connection, Path(store.path(snapshot.folder)))

    return _timed(engine, work, "wanted_photos")


def _timed(engine: Engine, work: Callable[[], None], photos: str) -> Run:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))  # what was left to write is not this run's
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    with engine.connect() as connection:
        count, total = connection.execute(text(f"SELECT count(*), sum(photo_id) FROM {photos}")).one()
        return Run(seconds, int(connection.scalar(text(SIZE)) or 0), (int(count), int(total)))


@contextmanager
def _database(home: Path, name: str) -> Iterator[Engine]:
    engine, server = create_engine(embedded.url(home, name)), create_engine(embedded.url(home, "postgres"))
    yield engine
    engine.dispose()
    with server.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


def measure(home: Path, observations: int, photos: int, repeats: int) -> dict[str, list[Run]]:
    """Run both ways in turns, the first one changing, and return the runs of each."""
    write_snapshot(home / "bucket", observations, photos)
    store = Store(home / "store")
    snapshot = fetch(str(home / "bucket"), store, SourceSettings(), None)
    ways, runs = {"ours": run_ours, "peer": run_documented}, {"ours": list[Run](), "peer": list[Run]()}
    for turn in range(repeats):
        for way in ("ours", "peer") if turn % 2 == 0 else ("peer", "ours"):
            with _database(home, f"{way}_{turn}") as engine:
                runs[way].append(ways[way](engine, store, snapshot))
    kept = {run.photos for way in runs.values() for run in way}
    if len(kept) != 1:
        raise SystemExit(f"the two ways keep different photos; (number, sum of ids) received: {sorted(kept)}")
    return runs


def report(runs: dict[str, list[Run]], console: Console, title: str) -> list[dict[str, object]]:
    """Print the medians side by side, and return them as the rows of the results file."""
    table = Table("", "ours", "documented", "ratio", "target", "holds")
    rows: list[dict[str, object]] = []
    for name, measured in (
        ("ingest: seconds", {way: [run.seconds for run in runs[way]] for way in runs}),
        ("ingest: MB on disk", {way: [run.bytes / 1e6 for run in runs[way]] for way in runs}),
    ):
        ours, peer = median(measured["ours"]), median(measured["peer"])
        ratio, shown = peer / ours, [f"{median(way):.3g} ({min(way):.3g}-{max(way):.3g})" for way in measured.values()]
        table.add_row(name, *shown, f"{ratio:.2f}", f">= {TARGET:g}", "yes" if ratio >= TARGET else "NO")
        figures = {"ours": round(ours, 3), "peer": round(peer, 3), "ratio": round(ratio, 2)}
        rows.append({"name": name, **figures, "target": TARGET, "holds": ratio >= TARGET})
    console.print(title, table, sep="\n")
    return rows


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--observations", type=int, default=300_000)
    parser.add_argument("--photos", type=int, help="default: five for three observations")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    photos = arguments.photos or arguments.observations * 5 // 3
    home = Path(tempfile.mkdtemp(prefix="mushroom-bench-", dir="/tmp"))
    home.chmod(0o755)  # root runs the server as another user
    try:
        runs = measure(home, arguments.observations, photos, arguments.repeats)
    finally:
        embedded.stop(home)
        shutil.rmtree(home, ignore_errors=True)
    kept = runs["ours"][0].photos[0]
    title = (
        f"{arguments.observations:,} observations, {photos:,} photos, {kept:,} kept by both; median of "
        f"{arguments.repeats} (least-most); {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    rows = report(runs, Console(), title)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
