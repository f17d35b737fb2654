"""What a month's refresh costs, and what a bad network does to a download: limits of our own, without a peer.

Three parts. A bucket over HTTP, loaded and its selection downloaded once, is looked at again unchanged: seconds of
`mushroom stage ingest`, a process of its own. Then 1 % of its photos change: which are asked for again, by the
server's count. Last, a download of 10,000 photos from a server that answers a fifth of all requests with 429, 503, a
reset or a body that breaks off, killed (SIGKILL) after each third of it: what is missing, damaged or fetched twice.
Needs the extra `embedded`, 1 GB below /tmp and no network. Prints a table and writes `benchmarks/results/refresh.json`.

    python benchmarks/refresh.py --observations 300000 --photos 10000 --repeats 3
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from inputs.bucket_server import bucket_server
from inputs.later import publish_later
from inputs.photo_server import Running, photo_server
from inputs.photos import Pack, write_photos
from inputs.snapshot import write_snapshot
from measured import Measured, measured
from report import Row, beside, limited, report, require_same

from mushroom_tasks import manifests, stages
from mushroom_tasks.db import embedded
from mushroom_tasks.photos.store import photo_path
from mushroom_tasks.settings import Settings, load_settings
from mushroom_tasks.storage import Store

FAULTS = 0.2
KILLS = 2
MAX_RUNS = 10
CHANGED = 0.01
CHOSEN = {"species_count": 400, "photos_per_species": 25, "min_photos_per_species": 5}
DOWNLOAD = Path(__file__).with_name("programs") / "download_ours.py"


@dataclass(frozen=True)
class Built:
    """A selection that was loaded, selected and downloaded: seconds it took, and the photos in it."""

    seconds: float
    photos: frozenset[int]


def build(settings: Settings) -> Built:
    """Run the stages from the snapshot to the downloads."""
    start = time.perf_counter()
    fetched = stages.snapshot(settings)
    if fetched.is_new:
        stages.ingest(settings, fetched)
    selection = stages.select(settings)
    for shard in selection.shards:
        stages.download_shard(settings, selection.fingerprint, shard, len(selection.shards))
    found = stages.collect_downloads(settings, selection.fingerprint, len(selection.shards))
    seconds = time.perf_counter() - start
    path = f"downloads/{found.fingerprint}.parquet"
    rows = manifests.read_manifest(Store(settings.store), path, manifests.DOWNLOADS, ["photo_id", "status"])
    require_same("photos", {"selected": selection.photos, "downloaded": rows["status"].to_pylist().count("ok")})
    return Built(seconds, frozenset(rows["photo_id"].to_pylist()))


def look_again(settings: Settings) -> Measured:
    """Measure the task that finds nothing new, the start of its process and its imports included."""
    command = [str(Path(sys.executable).with_name("mushroom")), "stage", "ingest"]
    run = measured([*command, "--source", settings.source, "--workdir", str(settings.home)])
    if run.said["is_new"]:
        raise SystemExit(f"a snapshot that is unchanged was taken for a new one: {run.said}")
    return run


def measure_refresh(home: Path, pack: Pack, observations: int, repeats: int) -> list[Row]:
    """Build, look again, change a share of the photos and build again."""
    write_snapshot(home / "bucket", observations, observations * 3 // 2)
    with bucket_server(home / "bucket", pack.path.parent) as server:
        settings = load_settings({"home": home, "source": server.address, "selection": CHOSEN})
        first = build(settings)
        unchanged = [look_again(settings) for _ in range(repeats)]
        asked = server.requests()
        changed = publish_later(home / "bucket", CHANGED)
        second = build(settings)
        again = server.requests()
    fetched = {photo_id for photo_id in again if again[photo_id] > asked.get(photo_id, 0)}
    require_same("new photos", {"selected": second.photos - first.photos, "fetched": fetched})
    twice = sum(times - 1 for times in again.values())
    print(
        f"snapshot of {changed.rows:,} photos: {changed.added:,} added, {changed.withdrawn:,} withdrawn, "
        f"{changed.relicensed:,} under another licence. Selection of {len(first.photos):,}: "
        f"{len(second.photos - first.photos):,} came, {len(first.photos - second.photos):,} went"
    )
    return [
        limited("unchanged snapshot: seconds of the task", [run.seconds for run in unchanged], limit=5, unit="s"),
        beside("unchanged snapshot: CPU seconds of the task", [run.cpu_seconds for run in unchanged]),
        limited("1 % changed: photos fetched twice", [twice], limit=0, unit="photos"),
        beside("1 % changed: seconds (beside the first time)", [second.seconds], [first.seconds]),
    ]


def measure_faults(home: Path, pack: Pack) -> list[Row]:
    """Download from a server that fails, killed on the way, and run again until nothing fails in passing."""
    store = home / "faults"
    count = len(pack.ids)
    with photo_server(pack.path.parent, FAULTS) as server:
        command = [sys.executable, str(DOWNLOAD), server.address, str(count), str(store)]
        start = time.perf_counter()
        for kill in range(1, KILLS + 1):
            kill_after(server, command, count * kill // (KILLS + 1))
        runs = finish(command, count)
        seconds = time.perf_counter() - start
        counts = server.counts()
    kept = {photo_id: _kept(store, photo_id) for photo_id in pack.ids}
    missing = sum(data is None for data in kept.values())
    damaged = sum(data is not None and data != pack.read(photo_id) for photo_id, data in kept.items())
    twice = sum(times - 1 for times in counts.whole.values())
    print(f"{counts.requests:,} requests for {count:,} photos, faults {counts.faults}, {KILLS} kills, then {runs} runs")
    return [
        limited("20 % faults, killed twice: % of photos missing", [100 * missing / count], limit=0, unit="%"),
        limited("20 % faults, killed twice: % of photos damaged", [100 * damaged / count], limit=0, unit="%"),
        limited("20 % faults, killed twice: % of photos fetched twice", [100 * twice / count], limit=1, unit="%"),
        beside("20 % faults, killed twice: photos/s", [count / seconds]),
    ]


def kill_after(server: Running, command: list[str], photos: int) -> None:
    """Run a download and kill it once the server has sent so many whole photos."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while len(server.counts().whole) < photos:
            if process.poll() is not None:
                raise SystemExit(f"a download ended before it was killed, with exit code {process.returncode}")
            time.sleep(0.2)
    finally:
        process.kill()
        process.wait()


def finish(command: list[str], count: int) -> int:
    """Run a download, as Airflow tries a task again, until every photo is there; return how many runs it took."""
    for run in range(1, MAX_RUNS + 1):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"a download failed:\n{done.stderr}")
        if json.loads(done.stdout.splitlines()[-1])["ok"] == count:
            return run
    return MAX_RUNS


def _kept(store: Path, photo_id: int) -> bytes | None:
    path = store / photo_path("medium", photo_id, "jpg")
    return path.read_bytes() if path.exists() else None


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--observations", type=int, default=300_000)
    parser.add_argument("--photos", type=int, default=10_000, help="of the download with faults")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="mushroom-bench-", dir="/tmp"))
    home.chmod(0o755)  # root runs the server as another user
    os.environ.pop("MUSHROOM_HOME", None)
    try:
        pack = write_photos(home / "photos", given.photos)
        rows = [*measure_faults(home, pack), *measure_refresh(home, pack, given.observations, given.repeats)]
    finally:
        embedded.stop(home)
        shutil.rmtree(home, ignore_errors=True)
    title = f"{given.observations:,} observations; {given.photos:,} photos with faults; median of {given.repeats}"
    report("refresh", title, rows)


if __name__ == "__main__":
    main()
