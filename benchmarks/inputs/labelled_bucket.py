"""Real photos of which it is known what each of them is: a folder in iNaturalist's layout with a `truth.csv`.

`truth.csv` names for each photo the species it is filed under (`label`), the species it shows (`true_label`) and its
`kind`: `clean`, `junk:...` (a single photo of something else), `clump:...` (one of a series of such by one observer)
or `mislabel`. The photos are embedded by our own code, once; what comes of it is kept in the temporary folder.

    photos = read_bucket(find_bucket())
    photos.embeddings[photos.is_junk]
"""

from __future__ import annotations

import csv
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mushroom_tasks.errors import PhotoError
from mushroom_tasks.imaging import decode
from mushroom_tasks.learning.embeddings import embed, embedder_fingerprint
from mushroom_tasks.photos.looks import VERSION, look, looks_table
from mushroom_tasks.photos.quality import Quality, issue
from mushroom_tasks.settings import EmbeddingSettings, QualitySettings
from mushroom_tasks.storage import Store, fingerprint

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(tempfile.gettempdir()) / "mushroom-benchmarks"


@dataclass(frozen=True)
class LabelledPhotos:
    """Photos that decode, in the order of their ids; arrays of shape (N,), embeddings (N, F).

    Attributes
    ----------
    paths, sha256
        Files, relative to `folder`, and their checksums.
    labels, true_labels
        Species that a photo is filed under, and that it shows.
    kinds
        As in `truth.csv`.
    observers
        Who took each photo.
    hashes, is_poor
        What our own decode tells: the perceptual hash, and whether a photo is too poor by our defaults.
    """

    folder: Path
    photo_ids: NDArray[np.int64]
    paths: NDArray[np.str_]
    sha256: NDArray[np.str_]
    labels: NDArray[np.str_]
    true_labels: NDArray[np.str_]
    kinds: NDArray[np.str_]
    observers: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    is_poor: NDArray[np.bool_]
    embeddings: NDArray[np.float32]

    @property
    def is_clean(self) -> NDArray[np.bool_]:
        """Photos of the species that they are filed under."""
        return self.kinds == "clean"

    @property
    def is_scattered(self) -> NDArray[np.bool_]:
        """Single photos of something else."""
        return np.char.startswith(self.kinds, "junk")

    @property
    def is_clumped(self) -> NDArray[np.bool_]:
        """Photos of a series of something else."""
        return np.char.startswith(self.kinds, "clump")

    @property
    def is_junk(self) -> NDArray[np.bool_]:
        """Photos of something else, single or in a series."""
        return self.is_scattered | self.is_clumped

    @property
    def is_mislabelled(self) -> NDArray[np.bool_]:
        """Photos of another species."""
        return self.kinds == "mislabel"

    @property
    def clumps(self) -> list[NDArray[np.intp]]:
        """Rows of each series."""
        rows = np.flatnonzero(self.is_clumped)
        of_series = [f"{self.labels[row]} {self.kinds[row]} {self.observers[row]}" for row in rows]
        return [rows[np.array(of_series) == series] for series in sorted(set(of_series))]

    def subset(self, rows: NDArray[Any]) -> LabelledPhotos:
        """Return these rows."""
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)[1:]})

    def relabelled(self, labels: NDArray[np.str_], kinds: NDArray[np.str_]) -> LabelledPhotos:
        """Return the same photos, filed under other labels."""
        return replace(self, labels=labels, kinds=kinds)


def find_bucket() -> Path:
    """Return the folder that the tests use too; SystemExit where it is missing or nothing is known about its photos."""
    folder = Path(os.environ.get("MUSHROOM_TEST_BUCKET", ROOT.parent / "shared" / "bucket"))
    for needed in ("photos.csv.gz", "truth.csv"):
        if not (folder / needed).is_file():
            raise SystemExit(
                f"There is no {folder / needed}: this benchmark needs photos of which it is known what they are, in "
                f"iNaturalist's layout and with a truth.csv (its columns: {Path(__file__).name}). "
                "Set MUSHROOM_TEST_BUCKET to such a folder."
            )
    return folder


def read_bucket(folder: Path, settings: EmbeddingSettings, cache: Path = CACHE) -> LabelledPhotos:
    """Return the photos of a folder that decode, with their embeddings, which are kept in `cache`."""
    with (folder / "truth.csv").open(newline="", encoding="utf-8") as file:
        truth = {int(row["photo_id"]): row for row in csv.DictReader(file)}
    seen = _seen(folder, sorted(truth), settings, cache)
    photo_ids = seen["photo_id"].to_pylist()
    observers = _observers(folder)
    vectors = seen["embedding"].combine_chunks().flatten().to_numpy()
    return LabelledPhotos(
        folder=folder,
        photo_ids=np.array(photo_ids),
        paths=np.array(seen["path"].to_pylist()),
        sha256=np.array(seen["sha256"].to_pylist()),
        labels=np.array([truth[photo_id]["label"] for photo_id in photo_ids]),
        true_labels=np.array([truth[photo_id]["true_label"] for photo_id in photo_ids]),
        kinds=np.array([truth[photo_id]["kind"] for photo_id in photo_ids]),
        observers=np.array([observers[photo_id] for photo_id in photo_ids], np.int64),
        hashes=np.asarray(seen["hash"]),
        is_poor=np.array([_is_poor(row) for row in seen.drop_columns(["embedding"]).to_pylist()]),
        embeddings=vectors.reshape(len(photo_ids), -1),
    )


def _seen(folder: Path, photo_ids: list[int], settings: EmbeddingSettings, cache: Path) -> pa.Table:
    """Return what our own decode and embedding make of the photos that a download would have kept; kept for next time.

    Columns photo_id (ascending), path, sha256, width, height, those of `photos.looks`, embedding.
    """
    files = {photo_id: path for photo_id in photo_ids for path in sorted(_medium(folder, photo_id))[:1]}
    sums = {photo_id: hashlib.sha256(path.read_bytes()).hexdigest() for photo_id, path in files.items()}
    key = fingerprint("seen", embedder=embedder_fingerprint(settings), looks=VERSION, photos=sums)
    kept = cache / f"{key}.parquet"
    if not kept.exists():
        table = _see(folder, _decodable(folder, files, sums), settings)
        cache.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}")
        pq.write_table(table, partial)
        partial.replace(kept)
    return pq.read_table(kept)


def _medium(folder: Path, photo_id: int) -> Iterator[Path]:
    return (folder / "photos" / str(photo_id)).glob("medium.*")


def _decodable(folder: Path, files: Mapping[int, Path], sums: Mapping[int, str]) -> pa.Table:
    rows = []
    for photo_id, path in files.items():
        try:
            width, height = decode(path.read_bytes()).size
        except PhotoError:
            continue
        file = {"photo_id": photo_id, "path": str(path.relative_to(folder)), "sha256": sums[photo_id]}
        rows.append({**file, "width": width, "height": height})
    return pa.Table.from_pylist(rows)


def _see(folder: Path, rows: pa.Table, settings: EmbeddingSettings) -> pa.Table:
    table, seen = embed(rows, Store(folder), settings, look)  # sorted by photo_id, as the rows are
    for column in (looks_table(rows, seen), table.select(["embedding"])):
        for name in column.column_names:
            if name not in rows.column_names:
                rows = rows.append_column(name, column[name])
    return rows


def _is_poor(row: Mapping[str, Any]) -> bool:
    measured = Quality(*(row[name] for name in Quality._fields))
    return issue(measured, row["width"], row["height"], QualitySettings()) is not None


def _observers(folder: Path) -> dict[int, int]:
    options = pyarrow.csv.ParseOptions(delimiter="\t", quote_char=False)
    table = pyarrow.csv.read_csv(folder / "photos.csv.gz", parse_options=options)
    return dict(zip(table["photo_id"].to_pylist(), table["observer_id"].to_pylist(), strict=True))
