"""Our selection beside one query with window functions over everything, on the same tables with a long tail.

Both take the species with the most photos and of each the first photos by the same rules, in one embedded PostgreSQL,
in turns; they have to select the same photos. The peer is what one writes at first: number all photos that are allowed
within observation, observer and species by their hashes, then keep the first ones. It may use as much memory as ours.
Needs the extra `embedded`, 10 GB below /tmp, and no network. Writes `benchmarks/results/selection.json`.

    python benchmarks/selection.py --photos 20000000 --plans
"""

from __future__ import annotations

import argparse
import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from inputs.long_tail import ROOT, fill
from report import at_least, in_turns, limited, report, require_same
from sqlalchemy import Connection, Engine, create_engine, event, text

from mushroom_tasks.db import embedded
from mushroom_tasks.db.engine import migrate
from mushroom_tasks.db.models import Snapshot
from mushroom_tasks.inat.selecting.selection import select
from mushroom_tasks.settings import SelectionSettings

LIMIT = 60  # seconds, for 20 million photos on two cores
PLANNED = 0.5  # seconds; plans of quicker statements are not shown
PEER = """
WITH candidates AS (
    SELECT DISTINCT ON (photo_id)
        p.photo_id, p.observation_uuid, p.observer_id, o.taxon_id, md5(:seed || ':photo:' || p.photo_id)::uuid AS hash,
        min(o.taxon_id) OVER (PARTITION BY p.photo_id) <> max(o.taxon_id) OVER (PARTITION BY p.photo_id) AS is_disputed
    FROM photos AS p
    JOIN observations AS o ON o.observation_uuid = p.observation_uuid
    JOIN taxa AS t ON t.taxon_id = o.taxon_id AND t.rank = 'species' AND t.active
    WHERE o.quality_grade = ANY(:quality_grades) AND p.license = ANY(:licenses)
    ORDER BY photo_id, observation_uuid
),
within_observation AS (
    SELECT *, row_number() OVER (PARTITION BY observation_uuid ORDER BY hash, photo_id) AS nth_of_observation
    FROM candidates WHERE NOT is_disputed
),
within_observer AS (
    SELECT *, row_number() OVER (
        PARTITION BY taxon_id, observer_id ORDER BY nth_of_observation, hash, photo_id
    ) AS nth_of_observer
    FROM within_observation WHERE nth_of_observation <= :max_photos_per_observation
),
within_species AS (
    SELECT *,
        row_number() OVER (PARTITION BY taxon_id ORDER BY nth_of_observation, hash, photo_id) AS nth_of_species,
        count(*) OVER (PARTITION BY taxon_id) AS available
    FROM within_observer WHERE nth_of_observer <= :max_photos_per_observer
),
species AS (
    SELECT taxon_id, available FROM within_species
    WHERE nth_of_species = 1 AND available >= :min_photos_per_species
    ORDER BY available DESC, taxon_id LIMIT :species_count
)
SELECT count(*), sum(w.photo_id), count(DISTINCT w.taxon_id)
FROM within_species AS w
JOIN species AS s ON s.taxon_id = w.taxon_id
JOIN observations AS o ON o.observation_uuid = w.observation_uuid
JOIN photos AS p ON p.photo_id = w.photo_id AND p.observation_uuid = w.observation_uuid
LEFT JOIN observers AS u ON u.observer_id = w.observer_id
WHERE w.nth_of_species <= :photos_per_species
"""


@dataclass(frozen=True)
class Run:
    """One selection: wall seconds, and what it selected (photos, sum of photo_id, species)."""

    seconds: float
    selected: tuple[int, int, int]


def run_ours(engine: Engine, settings: SelectionSettings) -> Run:
    """Select with our own code, the rows copied out and parsed."""
    start = time.perf_counter()
    table = select(engine, (ROOT,), settings)
    seconds = time.perf_counter() - start
    ids, species = table["photo_id"].to_pylist(), table["taxon_id"].unique()
    return Run(seconds, (len(ids), sum(ids), len(species)))


def run_peer(engine: Engine, settings: SelectionSettings) -> Run:
    """Select with one query; its rows are only counted."""
    values = {**settings.model_dump(), "seed": str(settings.seed)}
    values |= {name: list(values[name]) for name in ("quality_grades", "licenses")}
    with engine.begin() as connection:
        for setting in ("work_mem = '256MB'", "jit = off"):
            connection.execute(text(f"SET LOCAL {setting}"))
        start = time.perf_counter()
        photos, total, species = connection.execute(text(PEER), values).one()
        return Run(time.perf_counter() - start, (int(photos), int(total), int(species)))


class _Plans(logging.Handler):
    """Prints what auto_explain reports, without the text of the statement."""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        print(message.partition("\n")[0], message.rpartition("\n\n")[2], sep="\n", end="\n\n")


def show_plans(engine: Engine, work: Callable[[], Run]) -> None:
    """Run once more and print the plan of every statement that takes its time, as PostgreSQL reports it."""

    @event.listens_for(engine, "begin")
    def _explain(connection: Connection) -> None:
        connection.exec_driver_sql(
            "LOAD 'auto_explain'; SET LOCAL client_min_messages = log; SET LOCAL auto_explain.log_analyze = on; "
            f"SET LOCAL auto_explain.log_timing = off; SET LOCAL auto_explain.log_min_duration = {PLANNED * 1000:.0f}"
        )

    reports = logging.getLogger("sqlalchemy.dialects.postgresql")  # where SQLAlchemy takes what the server reports
    handler = _Plans()
    reports.addHandler(handler)
    reports.setLevel(logging.INFO)
    work()
    reports.removeHandler(handler)
    event.remove(engine, "begin", _explain)


def measure(home: Path, arguments: argparse.Namespace, settings: SelectionSettings) -> dict[str, list[Run]]:
    """Fill a database, run both ways in turns, and return the runs of each."""
    engine = create_engine(embedded.url(home, "selection"))
    migrate(engine)
    fill(engine, arguments.photos)
    with engine.begin() as connection:
        connection.execute(
            Snapshot.__table__.insert().values(  # type: ignore[attr-defined]
                fingerprint="made up", source="benchmark", validators={}, root_taxa=[ROOT], counts={}
            )
        )
    try:
        runs = in_turns(
            {"ours": lambda: run_ours(engine, settings), "peer": lambda: run_peer(engine, settings)}, arguments.repeats
        )
        if arguments.plans:
            show_plans(engine, lambda: run_ours(engine, settings))
    finally:
        engine.dispose()
    require_same("photos", {f"{way} {n}": run.selected for way in runs for n, run in enumerate(runs[way])})
    return runs


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--photos", type=int, default=20_000_000)
    parser.add_argument("--species", type=int, default=1000)
    parser.add_argument("--per-species", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--plans", action="store_true", help="print the plans of our statements")
    arguments = parser.parse_args()
    settings = SelectionSettings(species_count=arguments.species, photos_per_species=arguments.per_species)
    home = Path(tempfile.mkdtemp(prefix="mushroom-bench-", dir="/tmp"))
    home.chmod(0o755)  # root runs the server as another user
    try:
        runs = measure(home, arguments, settings)
    finally:
        embedded.stop(home)
        shutil.rmtree(home, ignore_errors=True)
    photos, _, species = runs["ours"][0].selected
    title = f"{photos:,} photos of {species:,} species from about {arguments.photos:,}; median of {arguments.repeats}"
    seconds = {way: [run.seconds for run in runs[way]] for way in runs}
    rows = [
        at_least("selection: seconds", seconds["ours"], seconds["peer"], times=2, better="less"),
        limited("selection: seconds, against a limit", seconds["ours"], limit=LIMIT, unit="s"),
    ]
    report("selection", title, rows)


if __name__ == "__main__":
    main()
