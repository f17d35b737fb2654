"""What the one decode of a photo yields beside its embedding: quality and near-duplicates, on real photos.

Quality: what measuring costs, how many clean photos the default limits flag, and how many that were blurred or darkened
on purpose. Near-duplicates: how many photos are recognised after a change and an upload under a new id by the same
observer, how many of the same but filed by somebody else under another species, and which unchanged photos of the
bucket are taken for one picture (look at them: `--show`). Last the cost at `--photos` photos of 500 to a species, and
where one person took many, whose hashes have the real ones' share of ones in every bit. Needs the bucket of
`inputs/labelled_bucket.py`. Writes `benchmarks/results/looks.json`.

    python benchmarks/looks.py --photos 1000000 --show duplicates.txt
"""

from __future__ import annotations

import argparse
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from inputs.labelled_bucket import LabelledPhotos, find_bucket, read_bucket
from inputs.retouching import CHANGES, blurred, dimmed
from numpy.typing import NDArray
from PIL import Image
from report import Row, beside, limited, reached, report

from mushroom_tasks import imaging
from mushroom_tasks.curation.duplicates import Duplicates, find
from mushroom_tasks.learning import backbones
from mushroom_tasks.learning.model import compiled
from mushroom_tasks.perceptual_hash import BITS
from mushroom_tasks.photos.looks import look
from mushroom_tasks.photos.quality import grey, issue, measure
from mushroom_tasks.settings import DuplicateSettings, EmbeddingSettings, QualitySettings

EVERY = 8  # so many clean photos are changed, in every way
PER_SPECIES = 500
PER_OBSERVER = 20
OF_ONE = 50_000  # photos of one observer
BATCH = 32
PASSES = 5
COPIES = 0.01  # of the many photos
FEATURES = 1280


def read(photos: LabelledPhotos, row: int) -> Image.Image:
    """Return a photo as the workflow decodes it."""
    return imaging.decode((photos.folder / photos.paths[row]).read_bytes())


def cost(photos: LabelledPhotos, rows: Sequence[int]) -> list[Row]:
    """Compare the time that measuring takes with that of the decode, in processor time of one core."""
    files = [(photos.folder / photos.paths[row]).read_bytes() for row in rows]
    looked, decoded = [], []
    for _ in range(PASSES):
        start = time.process_time()
        images = [imaging.decode(data) for data in files]
        decoded.append(1000 * (time.process_time() - start) / len(files))
        start = time.process_time()
        for image in images:
            look(image)
        looked.append(1000 * (time.process_time() - start) / len(files))
    return [
        limited("measuring and hashing: ms a photo", looked, limit=2, unit="ms"),
        beside("decoding: ms a photo", decoded),
    ]


def quality(photos: LabelledPhotos, changed: Sequence[int]) -> list[Row]:
    """Count what the default limits flag."""
    limits = QualitySettings()

    def share(images: Iterable[Image.Image]) -> float:
        codes = [issue(measure(grey(image)), *image.size, limits) for image in images]
        return 100 * sum(code is not None for code in codes) / len(codes)

    clean, junk = (float(100 * photos.is_poor[kind].mean()) for kind in (photos.is_clean, photos.is_junk))
    return [
        limited("quality: clean photos flagged, %", [clean], limit=0.5, unit="%"),
        beside("quality: junk flagged, %", [junk]),
        reached("quality: blurred by 4 px flagged, %", [share(blurred(read(photos, r), 4) for r in changed)], limit=90),
        reached(
            "quality: darkened to 1/10 flagged, %", [share(dimmed(read(photos, r), 0.1) for r in changed)], limit=90
        ),
    ]


@dataclass(frozen=True)
class Copies:
    """Changed copies of some photos: which row each is of, its hash and its features."""

    rows: NDArray[np.intp]
    hashes: NDArray[np.uint64]
    features: NDArray[np.float32]


def copies_of(
    photos: LabelledPhotos, rows: Sequence[int], change: Callable[[Image.Image], Image.Image], model: Callable[..., Any]
) -> Copies:
    """Change some photos, and look at them as the workflow would."""
    images = [change(read(photos, row)) for row in rows]
    size = backbones.get(EmbeddingSettings().backbone).input_size
    # Every batch has the same shape, the last one padded: the network is compiled once.
    inputs = np.zeros((-(-len(images) // BATCH) * BATCH, size, size, 3), np.uint8)
    for index, image in enumerate(images):
        inputs[index] = imaging.model_input(image, size)
    batches = (inputs[start : start + BATCH].astype(np.float32) for start in range(0, len(inputs), BATCH))
    features = np.concatenate([model(batch).numpy() for batch in batches])[: len(images)]
    return Copies(np.array(rows), np.array([look(image).hash for image in images], np.uint64), features)


def found_among(photos: LabelledPhotos, copies: Copies | None, *, by_others: bool = False) -> Duplicates:
    """Find duplicates among the photos and changed copies of some, filed alike or by others under another species."""
    labels, taxa = np.unique(photos.labels, return_inverse=True)
    rows = np.zeros(0, np.intp) if copies is None else copies.rows
    ids = np.arange(len(rows)) + photos.photo_ids.max() + 1
    table = pa.table(
        {
            "photo_id": np.concatenate([photos.photo_ids, ids]),
            "taxon_id": np.concatenate([taxa, (taxa[rows] + by_others) % len(labels)]),
            "observer_id": np.concatenate([photos.observers, -ids if by_others else photos.observers[rows]]),
            "sha256": [*photos.sha256.tolist(), *(f"copy {number}" for number in ids)],
        }
    )
    hashes, features = photos.hashes, photos.embeddings
    if copies is not None:
        hashes, features = np.concatenate([hashes, copies.hashes]), np.concatenate([features, copies.features])
    return find(table, hashes, features, DuplicateSettings())


def duplicates(photos: LabelledPhotos, rows: Sequence[int], show: Path | None) -> list[Row]:
    """Count what is recognised after each change, and what is taken for one picture without any."""
    found = []
    model = compiled(backbones.get(EmbeddingSettings().backbone).build("imagenet"))
    for name, change in CHANGES.items():
        copies = copies_of(photos, rows, change, model)
        for whose, by_others in (("", False), (", by others as another species", True)):
            group = found_among(photos, copies, by_others=by_others).group
            share = float(100 * np.mean(group[rows] == group[len(photos.photo_ids) :]))
            found.append(beside(f"recognised: {name}{whose}, %", [share]))
    group = found_among(photos, None).group
    alike = [np.flatnonzero(group == value) for value in np.unique(group) if np.sum(group == value) > 1]
    other_files = [rows for rows in alike if len(np.unique(photos.sha256[rows])) > 1]
    if show:
        lines = [" ".join(f"{photos.paths[row]} ({photos.labels[row]})" for row in rows) for rows in other_files]
        show.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [
        *found,
        beside("duplicates: pictures there twice as equal files", [len(alike) - len(other_files)]),
        beside("duplicates: pictures there twice as other files", [len(other_files)]),
    ]


def many(hashes: NDArray[np.uint64], count: int, people: int, of_whom: str = "") -> list[Row]:
    """Find copies among many photos; the embeddings are a memory map, as large as real ones and empty but for them."""
    rng = np.random.default_rng(1)
    bits = np.unpackbits(hashes.astype(">u8").view(np.uint8).reshape(-1, BITS // 8), axis=1)
    drawn = rng.random((count, BITS), dtype=np.float32) < bits.mean(axis=0).astype(np.float32)
    made = np.packbits(drawn, axis=1).view(">u8").astype(np.uint64).ravel()
    copies = int(COPIES * count)
    models = rng.permutation(count - copies)[:copies]
    made[-copies:] = made[models] ^ (np.uint64(1) << rng.integers(BITS, size=copies, dtype=np.uint64))
    ids = np.arange(1, count + 1)
    taxa, observers = ids % max(1, count // PER_SPECIES), rng.integers(people, size=count)
    rows = pa.table({"photo_id": ids, "taxon_id": taxa, "observer_id": observers, "sha256": ids.astype(str)})
    with tempfile.TemporaryFile() as file:
        features = np.memmap(file, np.float32, "w+", shape=(count, FEATURES))
        features[models] = features[-copies:] = rng.random((copies, FEATURES), dtype=np.float32)
        tracemalloc.start()
        start = time.perf_counter()
        found = find(rows, made, features, DuplicateSettings())
        seconds, (_, peak) = time.perf_counter() - start, tracemalloc.get_traced_memory()
        tracemalloc.stop()
    recall = float(100 * np.mean(found.group[-copies:] == ids[models]))
    name = f"{count:,} photos{of_whom}"
    return [
        limited(f"{name}: seconds", [seconds], limit=600 * count / 1e6, unit="s"),
        limited(f"{name}: MB beside the embeddings", [peak / 1e6], limit=500, unit="MB"),
        reached(f"{name}: copies found, %", [recall], limit=99.9),
        beside(f"{name}: others joined", [float(np.sum(found.group[:-copies] != ids[:-copies]))]),
    ]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=1_000_000, help="photos of the last part")
    parser.add_argument("--show", type=Path, help="file for the photos that are taken for one picture")
    chosen = parser.parse_args()
    photos = read_bucket(find_bucket(), EmbeddingSettings())
    changed = np.flatnonzero(photos.is_clean)[::EVERY].tolist()
    rows = [
        *cost(photos, changed),
        *quality(photos, changed),
        *duplicates(photos, changed, chosen.show),
        *many(photos.hashes, chosen.photos, max(1, chosen.photos // PER_OBSERVER)),
        *many(photos.hashes, OF_ONE, 1, " of one observer"),
    ]
    report("looks", f"{len(photos.photo_ids):,} photos, {len(changed)} of them changed in {len(CHANGES)} ways", rows)


if __name__ == "__main__":
    main()
