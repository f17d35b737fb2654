"""How long pruning and the search for wrong labels take and how much memory, beside DBSCAN class by class.

Made-up features, so that it needs neither photos nor a backbone; what curation is worth is measured by curation.py.
Each run is a process of its own, in turns; its time is that of curation alone, with imports, its memory that of the
whole process, with the features (5 kB a photo). Writes `benchmarks/results/curation_speed.json`.

    python benchmarks/curation_speed.py
    python benchmarks/curation_speed.py --photos 1000000 --species 2000 --repeats 1
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from measured import Measured, measured
from report import Row, beside, in_turns, limited, report

PROGRAM = Path(__file__).parent / "programs" / "curation_speed.py"
PHOTOS, SPECIES = 100_000, 500
SECONDS, MEGABYTES = 60, 2000  # of pruning so many, on two cores


def compare(photos: int, species: int, repeats: int) -> list[Row]:
    """Run all ways in turns."""

    def run(way: str) -> Measured:
        command = [sys.executable, str(PROGRAM), way, str(photos), str(species)]
        return measured(command, {"PYTHONPATH": str(Path(__file__).parent)})

    runs = in_turns({way: partial(run, way) for way in ("prune", "labels", "dbscan")}, repeats)
    seconds = {way: [one.said["seconds"] for one in some] for way, some in runs.items()}
    megabytes = {way: [one.peak_bytes / 1e6 for one in some] for way, some in runs.items()}
    rows = [
        beside("pruning: seconds, DBSCAN per class", seconds["prune"], seconds["dbscan"]),
        beside("pruning: peak memory in MB, DBSCAN per class", megabytes["prune"], megabytes["dbscan"]),
        beside("labels: seconds", seconds["labels"]),
        beside("labels: peak memory, MB", megabytes["labels"]),
    ]
    if (photos, species) == (PHOTOS, SPECIES):
        rows.insert(0, limited("pruning: seconds", seconds["prune"], limit=SECONDS, unit="s"))
        rows.insert(1, limited("pruning: peak memory, MB", megabytes["prune"], limit=MEGABYTES, unit="MB"))
    return rows


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--photos", type=int, default=PHOTOS)
    parser.add_argument("--species", type=int, default=SPECIES)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    title = f"{given.photos:,} photos x 1,280 in {given.species:,} classes; median of {given.repeats} (least-most)"
    report("curation_speed", title, compare(given.photos, given.species, given.repeats))


if __name__ == "__main__":
    main()
