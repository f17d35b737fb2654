"""How long pruning takes and how much memory, beside plain DBSCAN of scikit-learn class by class.

Made-up features, so that it needs neither photos nor a backbone; what pruning is worth is measured by curation.py. Each
run is a process of its own, in turns; its time is that of pruning alone, its memory that of the whole process, with
the features (5 kB a photo). Writes `benchmarks/results/pruning_speed.json`.

    python benchmarks/pruning_speed.py
    python benchmarks/pruning_speed.py --photos 1000000 --species 2000 --repeats 1
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from measured import Measured, measured
from report import Row, beside, in_turns, limited, report

PROGRAMS = Path(__file__).with_name("programs")
PHOTOS, SPECIES = 100_000, 500
SECONDS, MEGABYTES = 60, 2000  # for that many, on two cores


def compare(photos: int, species: int, repeats: int) -> list[Row]:
    """Run both ways in turns."""

    def run(program: str) -> Measured:
        command = [sys.executable, str(PROGRAMS / program), str(photos), str(species)]
        return measured(command, {"PYTHONPATH": str(PROGRAMS.parent)})

    runs = in_turns({"ours": lambda: run("prune_ours.py"), "dbscan": lambda: run("prune_dbscan.py")}, repeats)
    seconds = {way: [one.said["seconds"] for one in some] for way, some in runs.items()}
    megabytes = {way: [one.peak_bytes / 1e6 for one in some] for way, some in runs.items()}
    rows = [
        beside("pruning: seconds, DBSCAN per class", seconds["ours"], seconds["dbscan"]),
        beside("pruning: peak memory in MB, DBSCAN per class", megabytes["ours"], megabytes["dbscan"]),
    ]
    if (photos, species) == (PHOTOS, SPECIES):
        rows.insert(0, limited("pruning: seconds", seconds["ours"], limit=SECONDS, unit="s"))
        rows.insert(1, limited("pruning: peak memory, MB", megabytes["ours"], limit=MEGABYTES, unit="MB"))
    return rows


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--photos", type=int, default=PHOTOS)
    parser.add_argument("--species", type=int, default=SPECIES)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    title = f"{given.photos:,} photos x 1,280 in {given.species:,} classes; median of {given.repeats} (least-most)"
    report("pruning_speed", title, compare(given.photos, given.species, given.repeats))


if __name__ == "__main__":
    main()
