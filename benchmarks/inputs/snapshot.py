"""A made-up snapshot of iNaturalist's metadata, of any size, the same bytes for the same numbers.

Shaped as upstream's: tab-separated, gzip, nothing quoted, names with quotes, empty values, 4 % of the rows wanted.
Unlike the sample bucket it is written by columns and in parts, so a million rows take seconds, and memory is bounded.

    write_snapshot(Path("/tmp/bucket"), observations=300_000, photos=450_000)
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from isal import igzip

ROOTS = {47169: "48460/47170/47169", 48250: "48460/47170/48250"}  # Basidiomycota, Ascomycota: line from Life down
PLANTS = "48460/47126/211194"
FUNGI_SHARE = 0.04
FIRST_SPECIES, FIRST_PHOTO = 1_000_000, 1_000

_PART = 250_000  # observations written at a time
_HEX = np.array([f"{byte:02x}" for byte in range(256)], "S2").view(np.uint8).reshape(256, 2)
Columns = Mapping[str, object]


def write_snapshot(
    folder: Path, observations: int, photos: int, seed: int = 1, *, is_packed_fast: bool = False
) -> None:
    """Write the four files with that many rows, a taxon per 30 and an observer per 15 observations.

    The files are packed at zlib's usual level, as upstream's are; `is_packed_fast` saves most of the time that takes,
    and the files are a quarter larger.
    """
    folder.mkdir(parents=True)
    species, observers = observations // 30, observations // 15
    edges = [*range(0, observations, _PART), observations]
    parts = {
        "taxa": lambda: iter([_taxa(np.random.default_rng([seed, 0]), species)]),
        "observations": lambda: (_observations(seed, begin, end, species, observers) for begin, end in pairwise(edges)),
        "photos": lambda: (
            _photos(seed, begin, end, observations, photos, observers) for begin, end in pairwise(edges)
        ),
        "observers": lambda: iter([_observers(observers)]),
    }
    for name, columns in parts.items():
        _write(folder / f"{name}.csv.gz", columns(), _pack_fast if is_packed_fast else _pack)


def _taxa(rng: np.random.Generator, species: int) -> Columns:
    lines = np.where(rng.random(species) < FUNGI_SHARE, rng.choice(list(ROOTS.values()), species), PLANTS)
    top = [
        (48460, "", "Life"),
        (47170, "48460", "Fungi"),
        (47126, "48460", "Plantae"),
        (211194, "48460/47126", "Vascularia"),
    ]
    top += [(root, line.rpartition("/")[0], f"Phylum {root}") for root, line in ROOTS.items()]
    below = [f"{line}/{700_000 + i // 8}/{800_000 + i // 4}" for i, line in enumerate(lines)]
    return {
        "taxon_id": [*(row[0] for row in top), *range(FIRST_SPECIES, FIRST_SPECIES + species)],
        "ancestry": [*(row[1] for row in top), *below],
        "rank_level": [60] * len(top) + [10] * species,
        "rank": ["phylum"] * len(top) + ["species"] * species,
        "name": [*(row[2] for row in top), *(f"Genus{i // 4} epithet{i}" for i in range(species))],
        "active": [True] * (len(top) + species),
    }


def _keys(seed: int, begin: int, end: int, observers: int) -> tuple[pa.Array, np.ndarray]:
    """Return what observations and photos share: the observations' uuids and observers."""
    rng = np.random.default_rng([seed, 1, begin])
    return _uuids(rng, end - begin), rng.integers(1, observers + 1, end - begin)


def _observations(seed: int, begin: int, end: int, species: int, observers: int) -> Columns:
    rng, count = np.random.default_rng([seed, 2, begin]), end - begin
    uuids, by = _keys(seed, begin, end, observers)
    return {
        "observation_uuid": uuids,
        "observer_id": by,
        "latitude": rng.uniform(-60, 70, count).round(10),
        "longitude": rng.uniform(-180, 180, count).round(10),
        "positional_accuracy": pa.array(rng.integers(1, 3000, count), mask=rng.random(count) < 0.3),
        "taxon_id": rng.integers(FIRST_SPECIES, FIRST_SPECIES + species, count),
        "quality_grade": rng.choice(["research", "needs_id", "casual"], count, p=[0.6, 0.3, 0.1]),
        "observed_on": rng.integers(14_000, 20_000, count).astype("datetime64[D]"),
        "anomaly_score": pa.array(rng.gamma(2.0, 0.4, count).round(6), mask=rng.random(count) < 0.8),
    }


def _photos(seed: int, begin: int, end: int, observations: int, photos: int, observers: int) -> Columns:
    rng = np.random.default_rng([seed, 3, begin])
    uuids, by = _keys(seed, begin, end, observers)
    first, last = photos * begin // observations, photos * end // observations
    count = last - first
    of = np.sort(rng.integers(0, end - begin, count))  # photos of one observation lie together, as upstream
    return {
        "photo_uuid": _uuids(rng, count),
        "photo_id": np.arange(FIRST_PHOTO + first, FIRST_PHOTO + last),
        "observation_uuid": uuids.take(pa.array(of)),
        "observer_id": by[of],
        "extension": rng.choice(["jpg", "jpeg", "png"], count, p=[0.7, 0.28, 0.02]),
        "license": rng.choice(["CC-BY-NC", "CC-BY", "CC0", "CC-BY-SA"], count, p=[0.7, 0.2, 0.08, 0.02]),
        "width": rng.choice([2048, 1536, 1365], count),
        "height": rng.choice([2048, 1536, 1365], count),
        "position": np.arange(count) - np.searchsorted(of, of),
    }


def _observers(observers: int) -> Columns:
    numbers = range(1, observers + 1)
    names = [f'O\'Brien "{i}"' if i % 3 else "" for i in numbers]
    return {"observer_id": numbers, "login": [f"user_{i}" for i in numbers], "name": names}


def _uuids(rng: np.random.Generator, count: int) -> pa.StringArray:
    letters = np.full((count, 36), ord("-"), np.uint8)
    places = [place for place in range(36) if place not in (8, 13, 18, 23)]
    letters[:, places] = _HEX[rng.integers(0, 256, (count, 16), np.uint8)].reshape(count, 32)
    offsets = np.arange(0, 36 * (count + 1), 36, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(letters))


def _write(path: Path, parts: Iterator[Columns], pack: Callable[[bytes], bytes]) -> None:
    """Write a gzip member per part, packed in threads: their order in the file is that of the parts."""
    with path.open("wb") as file, ThreadPoolExecutor(2) as threads:
        header = b""
        for columns in parts:
            text = _text(columns)
            if not header:
                header = "\t".join(columns).encode() + b"\n"
                file.write(pack(header))
            halves = text[: len(text) // 2], text[len(text) // 2 :]
            for packed in threads.map(pack, halves):
                file.write(packed)


def _text(columns: Columns) -> bytes:
    # Not pyarrow's CSV writer: it refuses to leave a quote within a value as it is.
    texts = [pc.fill_null(column.cast(pa.string()), "").combine_chunks() for column in pa.table(columns).columns]
    lines = pc.binary_join_element_wise(pc.binary_join_element_wise(*texts, "\t"), "", "\n")
    return bytes(lines.buffers()[2])


def _pack(text: bytes) -> bytes:
    return gzip.compress(text, compresslevel=6, mtime=0)


def _pack_fast(text: bytes) -> bytes:
    return bytes(igzip.compress(text))
