"""How many photos a second the input pipeline gives, so that no network waits for it.

Made-up photos of the size and weight of iNaturalist's medium ones, 224 px inputs, batches of 32, nothing learning.
Beside decode and resize alone, beside Keras' augmentation layers, and beside `image_dataset_from_directory`, which
decodes and resizes but augments nothing. Full fine-tuning takes 12 photos/s on two cores; what a GPU needs follows from
the photos per second of a core's time. Writes `benchmarks/results/input_speed.json`.

    python benchmarks/input_speed.py
    python benchmarks/input_speed.py --seconds 5 --repeats 1
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from measured import Measured, measured
from PIL import Image
from report import Row, at_least, beside, in_turns, reached, report

PROGRAM = Path(__file__).parent / "programs" / "input_speed.py"
FINE_TUNING = 12  # photos/s of EfficientNet-Lite0 on two cores, all layers learning
WAYS = ("full", "default", "plain", "layers", "keras")


def make_photos(folder: Path, photos: int, classes: int = 20) -> int:
    """Write JPEGs of 500 x 375 pixels, a folder a class; return their mean size in bytes."""
    random, written = np.random.default_rng(1), 0
    for number in range(photos):
        coarse = Image.fromarray(random.uniform(0, 255, (40, 50, 3)).astype(np.uint8))
        smooth = np.asarray(coarse.resize((500, 375), Image.Resampling.BICUBIC), dtype=float)
        pixels = np.clip(smooth + random.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)
        path = folder / "photos" / f"{number % classes:02d}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, "JPEG", quality=85)
        written += path.stat().st_size
    return written // photos


def compare(folder: Path, seconds: float, repeats: int) -> list[Row]:
    """Run all ways in turns."""

    def run(way: str) -> Measured:
        return measured([sys.executable, str(PROGRAM), way, str(folder), str(seconds)])

    runs = in_turns({way: partial(run, way) for way in WAYS}, repeats)
    rate = {way: [one.said["per_second"] for one in some] for way, some in runs.items()}
    core = {way: [one.said["per_core"] for one in some] for way, some in runs.items()}
    return [
        reached("everything on: photos/s", rate["full"], limit=5 * FINE_TUNING),
        beside("default settings: photos/s", rate["default"]),
        beside("everything on: photos per second of a core; decode and resize alone", core["full"], core["plain"]),
        beside("default settings: photos per second of a core; decode and resize", core["default"], core["plain"]),
        at_least(
            "default settings: photos per second of a core; Keras' layers",
            core["default"],
            core["layers"],
            times=1.5,
            better="more",
        ),
        beside("decode and resize: photos per second of a core; image_dataset", core["plain"], core["keras"]),
    ]


def main() -> None:
    """Make photos, measure, print and write the results."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--photos", type=int, default=640)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        size = make_photos(Path(folder), given.photos)
        title = f"{given.photos} photos of {size // 1000} kB; median of {given.repeats} (least-most)"
        report("input_speed", title, compare(Path(folder), given.seconds, given.repeats))


if __name__ == "__main__":
    main()
