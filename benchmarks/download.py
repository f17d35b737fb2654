"""Our download of photos beside img2dataset and beside the shortest aiohttp program, from one server on this machine.

10,000 made-up photos of about 47 kB; each way in a process of its own, in turns, into an empty folder. Photos/s are
counted from the first request that reaches the server to the end of the call, so that nobody's start counts; memory
is the peak of the process and its children together. img2dataset runs with the processes and threads that suit it
best here, found by trying. Every way has to deliver every photo, and the same bytes where nothing is resized. Needs
1.5 GB in the temporary folder and, for the peer's environment, a package registry on first use. Prints a table and
writes `benchmarks/results/download.json`.

    python benchmarks/download.py --photos 10000 --repeats 3
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from inputs.photo_server import photo_server
from inputs.photos import HEIGHT, WIDTH, Pack, fingerprint_of, write_photos
from measured import measured
from peers import IMG2DATASET
from PIL import Image
from report import Row, at_least, at_most, beside, in_turns, report, require_same

from mushroom_tasks.imaging import SMALL_QUALITY

PROGRAMS = Path(__file__).with_name("programs")
CONNECTIONS = 32
SIDE = 256  # pixels of the shorter side of a resized copy
SUITS_PEER = ((1, 8), (2, 8), (2, 32), (2, 128))  # processes and threads of img2dataset to try
BY_DEFAULT = (1, 256)  # its own processes and threads
QUIET = {"NO_ALBUMENTATIONS_UPDATE": "1"}  # img2dataset's library would ask the web for a newer version of itself


@dataclass(frozen=True)
class Run:
    """One download: photos/s, seconds of its whole process, processor milliseconds per photo, peak MB.

    What it left is checked, and gone but for its fingerprint.
    """

    rate: float
    seconds: float
    cpu_ms: float
    peak_mb: float
    fingerprint: str


@dataclass(frozen=True)
class Bench:
    """The photos, and a folder to work in."""

    pack: Pack
    home: Path

    def ours(self, side: int = 0) -> Run:
        """Run ours; with `side` it keeps a smaller copy beside the photo."""
        settings = {"connections": CONNECTIONS, "small_side": side}
        command = [sys.executable, str(PROGRAMS / "download_ours.py"), "--settings", json.dumps(settings)]
        return self._run(
            command, "store/photos/medium/**/*.jpg", f"store/photos/medium-{side}/**/*.jpg" if side else ""
        )

    def bare(self) -> Run:
        """Run the shortest aiohttp program."""
        command = [sys.executable, str(PROGRAMS / "download_aiohttp.py"), "--connections", str(CONNECTIONS)]
        return self._run(command, "store/*.jpg")

    def img2dataset(self, processes: int, threads: int, side: int = 0, options: Sequence[str] = ()) -> Run:
        """Run img2dataset; with `side` it keeps a smaller copy in the photo's place."""
        command = [IMG2DATASET.python, str(PROGRAMS / "download_img2dataset.py"), "--side", str(side), *options]
        command += ["--processes", str(processes), "--threads", str(threads), "--quality", str(SMALL_QUALITY)]
        files = "store/photos/**/*.jpg"
        return self._run(command, "" if side else files, files if side else "")

    def _run(self, command: Sequence[str], whole: str, resized: str = "") -> Run:
        """Run a program, check the files that it left, and remove them."""
        count = len(self.pack.ids)
        with self._folder() as folder, photo_server(self.pack.path.parent) as server:
            run = measured([*command, server.address, str(count), str(folder / "store")], QUIET)
            first = server.counts().first
            assert first is not None
            found = fingerprint_of([path.read_bytes() for path in folder.glob(whole)]) if whole else ""
            if resized:
                require_resized([path.read_bytes() for path in folder.glob(resized)], count)
        rate, cpu_ms = count / (run.said["ended"] - first), run.cpu_seconds * 1000 / count
        return Run(rate, run.seconds, cpu_ms, run.peak_bytes / 1e6, found)

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(dir=self.home))
        yield folder
        shutil.rmtree(folder)


def require_resized(contents: Sequence[bytes], count: int) -> None:
    """End the run unless there are so many images, each of the wanted size."""
    sizes = {Image.open(io.BytesIO(content)).size for content in contents}
    long = SIDE * WIDTH / HEIGHT
    if len(contents) != count or any(min(size) != SIDE or abs(max(size) - long) > 1 for size in sizes):
        raise SystemExit(f"{count} photos of {SIDE} x {long:.0f} were wanted. Received: {len(contents)} of {sizes}")


def best_of_peer(run: Callable[[int, int], Run]) -> tuple[int, int]:
    """Return the processes and threads with which img2dataset is fastest, and print what was tried."""
    rates = {tried: run(*tried).rate for tried in SUITS_PEER}
    shown = ", ".join(f"{processes} x {threads}: {rate:.0f}" for (processes, threads), rate in rates.items())
    print(f"img2dataset, photos/s by processes x threads: {shown}")
    return max(rates, key=rates.__getitem__)


def ceiling(pack: Pack) -> float:
    """Return how many photos/s the server gives to a client that looks at nothing."""
    with photo_server(pack.path.parent) as server:
        command = [sys.executable, str(PROGRAMS / "download_nothing.py"), server.address, str(len(pack.ids))]
        return float(measured(command).said["rate"])


def measure(bench: Bench, trial: Bench, repeats: int) -> list[Row]:
    """Run all ways in turns and return their rows; `trial` has fewer photos, to find what suits the peer."""
    as_it_comes = best_of_peer(trial.img2dataset)
    resizing = best_of_peer(partial(trial.img2dataset, side=SIDE))
    ways: dict[str, Callable[[], Run]] = {
        "ours": bench.ours,
        "bare": bench.bare,
        "peer": partial(bench.img2dataset, *as_it_comes),
        "peer, by default": partial(bench.img2dataset, *BY_DEFAULT, options=["--checks"]),
        "ours, resized": partial(bench.ours, SIDE),
        "peer, resized": partial(bench.img2dataset, *resizing, side=SIDE),
    }
    runs = in_turns(ways, repeats)
    whole = {name: {run.fingerprint for run in runs[name]} for name in runs if name != "peer, resized"}
    require_same("photos", {"served": {bench.pack.fingerprint()}, **whole})
    rate = {name: [run.rate for run in found] for name, found in runs.items()}
    seconds = {name: [run.seconds for run in found] for name, found in runs.items()}
    cpu = {name: [run.cpu_ms for run in found] for name, found in runs.items()}
    peak = {name: [run.peak_mb for run in found] for name, found in runs.items()}
    return [
        at_least("photos/s, beside img2dataset", rate["ours"], rate["peer"], times=6, better="more"),
        at_most("peak MB, beside img2dataset", peak["ours"], peak["peer"], times=0.25),
        beside("seconds from start to exit, beside img2dataset", seconds["ours"], seconds["peer"]),
        beside("CPU ms per photo, beside img2dataset", cpu["ours"], cpu["peer"]),
        beside("photos/s, beside img2dataset as it is by default", rate["ours"], rate["peer, by default"]),
        beside("seconds, beside img2dataset as it is by default", seconds["ours"], seconds["peer, by default"]),
        at_least("photos/s, beside bare aiohttp", rate["ours"], rate["bare"], times=0.9, better="more"),
        beside("peak MB, beside bare aiohttp", peak["ours"], peak["bare"]),
        beside("CPU ms per photo, beside bare aiohttp", cpu["ours"], cpu["bare"]),
        at_least("photos/s with a resized copy, beside img2dataset", rate["ours, resized"], rate["peer, resized"],
                 times=1.5, better="more"),
        beside("peak MB with a resized copy, beside img2dataset", peak["ours, resized"], peak["peer, resized"]),
        beside("CPU ms per photo with a resized copy, beside img2dataset", cpu["ours, resized"], cpu["peer, resized"]),
    ]  # fmt: skip


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="mushroom-bench-"))
    try:
        pack = write_photos(home / "photos", given.photos)
        trial = Bench(write_photos(home / "trial", given.photos // 4), home)
        print(f"the server gives {ceiling(pack):,.0f} photos/s to a client that looks at nothing")
        rows = measure(Bench(pack, home), trial, given.repeats)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    kilobytes = pack.ends[-1] / given.photos / 1000
    title = f"{given.photos:,} photos of {kilobytes:.0f} kB; {CONNECTIONS} connections; median of {given.repeats}"
    report("download", f"{title} (least-most); peer: img2dataset {IMG2DATASET.version}", rows)


if __name__ == "__main__":
    main()
