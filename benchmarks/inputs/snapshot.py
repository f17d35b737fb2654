"""A made-up snapshot of iNaturalist's metadata, of any size, the same bytes for the same numbers.

Shaped as upstream's: tab-separated, gzip, nothing quoted, names with quotes, empty values, about 3 % fungi. Unlike the
sample bucket it is written by columns, so millions of rows take seconds.

    write_snapshot(Path("/tmp/bucket"), observations=300_000, photos=500_000)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ROOTS = {47169: "48460/47170/47169", 48250: "48460/47170/48250"}  # Basidiomycota, Ascomycota: line from Life down
PLANTS = "48460/47126/211194"
FUNGI_SHARE = 0.03


def write_snapshot(folder: Path, observations: int, photos: int, seed: int = 1) -> None:
    """Write the four files with that many rows, a taxon per 30 and an observer per 15 observations; always the same."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    species, observers = observations // 30, observations // 15
    lines = np.where(rng.random(species) < FUNGI_SHARE, rng.choice(list(ROOTS.values()), species), PLANTS)
    top = [
        (48460, "", "Life"),
        (47170, "48460", "Fungi"),
        (47126, "48460", "Plantae"),
        (211194, "48460/47126", "Vascularia"),
    ]
    top += [(root, line.rpartition("/")[0], f"Phylum {root}") for root, line in ROOTS.items()]
    below = [f"{line}/{700_000 + i // 8}/{800_000 + i // 4}" for i, line in enumerate(lines)]
    _write(folder, "taxa", {
        "taxon_id": [*(row[0] for row in top), *range(1_000_000, 1_000_000 + species)],
        "ancestry": [*(row[1] for row in top), *below],
        "rank_level": [60] * len(top) + [10] * species,
        "rank": ["phylum"] * len(top) + ["species"] * species,
        "name": [*(row[2] for row in top), *(f"Genus{i // 4} epithet{i}" for i in range(species))],
        "active": [True] * (len(top) + species),
    })  # fmt: skip
    uuids, by = _uuids(rng, observations), rng.integers(1, observers + 1, observations)
    _write(folder, "observations", {
        "observation_uuid": uuids,
        "observer_id": by,
        "latitude": rng.uniform(-60, 70, observations).round(10),
        "longitude": rng.uniform(-180, 180, observations).round(10),
        "positional_accuracy": pa.array(rng.integers(1, 3000, observations), mask=rng.random(observations) < 0.3),
        "taxon_id": rng.integers(1_000_000, 1_000_000 + species, observations),
        "quality_grade": rng.choice(["research", "needs_id", "casual"], observations, p=[0.6, 0.3, 0.1]),
        "observed_on": rng.integers(14_000, 20_000, observations).astype("datetime64[D]"),
        "anomaly_score": pa.array(rng.gamma(2.0, 0.4, observations).round(6), mask=rng.random(observations) < 0.8),
    })  # fmt: skip
    of = np.sort(rng.integers(0, observations, photos))  # photos of one observation lie together, as upstream
    _write(folder, "photos", {
        "photo_uuid": _uuids(rng, photos),
        "photo_id": np.arange(1_000, 1_000 + photos),
        "observation_uuid": pa.array(uuids).take(pa.array(of)),
        "observer_id": by[of],
        "extension": rng.choice(["jpg", "jpeg", "png"], photos, p=[0.7, 0.28, 0.02]),
        "license": rng.choice(["CC-BY-NC", "CC-BY", "CC0", "CC-BY-SA"], photos, p=[0.7, 0.2, 0.08, 0.02]),
        "width": rng.choice([2048, 1536, 1365], photos),
        "height": rng.choice([2048, 1536, 1365], photos),
        "position": np.arange(photos) - np.searchsorted(of, of),
    })  # fmt: skip
    numbers = range(1, observers + 1)
    names = [f'O\'Brien "{i}"' if i % 3 else "" for i in numbers]
    _write(folder, "observers", {"observer_id": numbers, "login": [f"user_{i}" for i in numbers], "name": names})


def _uuids(rng: np.random.Generator, count: int) -> list[str]:
    digits = (rng.bytes(16).hex() for _ in range(count))
    return [f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}" for d in digits]


def _write(folder: Path, name: str, columns: dict[str, object]) -> None:
    # Not pyarrow's CSV writer: it refuses to leave a quote within a value as it is.
    texts = [pc.fill_null(column.cast(pa.string()), "") for column in pa.table(columns).columns]
    lines = pc.binary_join_element_wise(*texts, "\t").to_pylist()
    with pa.CompressedOutputStream(str(folder / f"{name}.csv.gz"), "gzip") as file:
        file.write("\n".join(["\t".join(columns), *lines, ""]).encode())
