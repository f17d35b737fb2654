"""Download photos into the store: bounded, retried, resumable, verified.

Needs a source (an HTTP(S) address or a folder, see `fetch`) and a store. Each photo is checked by a full decode
before it is stored, and stored exactly as received. A photo that cannot be had is a row with a reason, not an
exception; `check_failed_ratio` judges them together once all shards are done.

    table = download(selection.slice(0, 1000), settings.source, Store(settings.store), settings.download)
    check_failed_ratio(table, settings.download.max_failed_ratio)

Photos under way are bounded by `connections`, whatever the length of the list; memory by `connections` times
`max_bytes`, plus one decoded photo per processor.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from mushroom_tasks import imaging
from mushroom_tasks.errors import DownloadError, PhotoError, SourceError, StorageError
from mushroom_tasks.manifests import DOWNLOADS
from mushroom_tasks.photos.fetch import PhotoSource, open_source
from mushroom_tasks.photos.store import photo_path
from mushroom_tasks.progress import Progress
from mushroom_tasks.settings import DownloadSettings, PhotoSize
from mushroom_tasks.storage import Store

_BATCH = 8192  # rows turned between Arrow and Python at once
_PASSING = ("http_error", "timeout", "connection")
_HINTS = {
    "missing": "Check the source's address and `download.size`: they may not be those of this selection.",
    "html": "The source answers with web pages: it may be a proxy or an error page, not a bucket.",
    "http_error": "The source is failing; run this again later, with fewer `download.connections` if it said 429.",
    "timeout": "The source is slow; run this again later, or raise `download.timeout`.",
    "connection": "The network or the source is failing; run this again later.",
    "too_large": "Raise `download.max_bytes`, or choose a smaller `download.size`.",
}


class _Photo(NamedTuple):
    """A photo in the store, as the last six columns of DOWNLOADS have it."""

    path: str
    sha256: str
    bytes: int
    width: int
    height: int
    format: str


def download(
    rows: pa.Table,
    source: str,
    store: Store,
    settings: DownloadSettings,
    progress_folder: Path | None = None,
    *,
    earlier: pa.Table | None = None,
) -> pa.Table:
    """Bring photos into the store, and return a DOWNLOADS table: a row per photo, sorted by photo_id.

    Photos that are in the store and pass the check are not fetched again, so a run that was killed, or whose
    failures are to be tried again, is simply run again.

    Parameters
    ----------
    rows
        What is wanted: at least the columns `photo_id` and `extension`.
    source
        Bucket in iNaturalist's layout: an HTTP(S) address or a folder.
    store
        Where photos are kept, at `photo_path(size, photo_id, extension)`.
    settings
        Size, bounds, tries and timeout.
    progress_folder
        Where progress is written for a live display; None writes none.
    earlier
        DOWNLOADS of an earlier run: photos that were ok there, and still have the same size, are trusted
        without decoding them again.

    Raises
    ------
    SourceUnreachable
        The source does not answer, or fails for every photo.
    StorageFull, StorageError
        The store cannot be written.
    """
    wanted = rows.select(["photo_id", "extension"]).group_by("photo_id").aggregate([("extension", "min")])
    known = _known(earlier)
    with Progress("download", wanted.num_rows, "photos", progress_folder) as progress:
        run = _Run(store, settings.size, progress, known)
        asyncio.run(run.all(_requests(wanted), source, settings))
        return run.table()


def is_settled(table: pa.Table, max_failed_ratio: float) -> bool:
    """Tell whether running `download` again on a DOWNLOADS table's photos is not expected to change it.

    It is not settled where a photo failed in passing, nor where more failed than is allowed: then the source or
    the settings may have been wrong, and once they are mended every photo deserves another try.
    """
    passing = pc.sum(pc.is_in(table["failure"], pa.array(_PASSING))).as_py() or 0
    return passing == 0 and _failed(table).num_rows <= max_failed_ratio * table.num_rows


def check_failed_ratio(table: pa.Table, max_failed_ratio: float) -> None:
    """Raise DownloadError, with counts by reason and what to do, where more than this share of rows failed."""
    failed = _failed(table)
    if failed.num_rows <= max_failed_ratio * table.num_rows:
        return
    counts = Counter(failed["failure"].to_pylist()).most_common()
    reason = counts[0][0]
    example = failed.filter(pc.equal(failed["failure"], reason)).slice(0, 1).to_pylist()[0]
    raise DownloadError(
        f"{failed.num_rows} of {table.num_rows} photos failed ({failed.num_rows / table.num_rows:.1%}), more than "
        f"download.max_failed_ratio allows ({max_failed_ratio:.1%}): "
        f"{', '.join(f'{name} {count}' for name, count in counts)}. "
        f"For example photo {example['photo_id']}: {example['detail']}. "
        f"{_HINTS.get(reason, 'Look at the details in the downloads manifest.')} "
        "Photos that are in the store are kept."
    )


def check_passing_ratio(table: pa.Table, max_failed_ratio: float) -> None:
    """Raise SourceError where more than this share of rows failed in passing: trying again may well help."""
    passing = pc.sum(pc.is_in(table["failure"], pa.array(_PASSING))).as_py() or 0
    if passing > max_failed_ratio * table.num_rows:
        raise SourceError(
            f"{passing} of {table.num_rows} photos failed in passing (timeouts, cut connections, server errors). "
            "Run this again later: photos that are in the store are kept."
        )


class _Run:
    """One call of `download`: a pool of workers over the requests, and the rows they add."""

    def __init__(self, store: Store, size: PhotoSize, progress: Progress, known: Mapping[int, _Photo]) -> None:
        self._store, self._size, self._progress, self._known = store, size, progress, known
        # A decoded photo takes up to 300 MB and a processor: threads that wait for disks may be many, these not.
        self._decoders = BoundedSemaphore(os.cpu_count() or 1)
        self._counts = Counter(ok=0, failed=0, kept=0, bytes=0)
        self._rows: list[dict[str, Any]] = []
        self._batches: list[pa.RecordBatch] = []

    async def all(self, requests: Iterator[tuple[int, str]], source: str, settings: DownloadSettings) -> None:
        """Work through the requests; the first error that is not about one photo ends it for all."""
        with ThreadPoolExecutor(settings.connections, thread_name_prefix="photos") as threads:
            async with open_source(source, settings, threads) as opened:
                try:
                    async with asyncio.TaskGroup() as group:
                        for _ in range(settings.connections):
                            group.create_task(self._work(requests, opened, threads))
                except ExceptionGroup as errors:
                    first = errors.exceptions[0]
                    raise first from first.__cause__

    def table(self) -> pa.Table:
        """Return the rows so far, sorted."""
        self._flush()
        return pa.Table.from_batches(self._batches, schema=DOWNLOADS).sort_by("photo_id").combine_chunks()

    async def _work(self, requests: Iterator[tuple[int, str]], source: PhotoSource, threads: Executor) -> None:
        for photo_id, extension in requests:
            try:
                photo = await self._one(photo_id, extension, source, threads)
                row = {"status": "ok", **photo._asdict()}
            except PhotoError as failure:
                self._counts["failed"] += 1
                row = {"status": "failed", "failure": failure.reason, "detail": str(failure)}
            except OSError as error:
                raise StorageError(
                    f"photo {photo_id} cannot be kept in the store {self._store.root}: {error}"
                ) from error
            self._add({"photo_id": photo_id, **row})

    async def _one(self, photo_id: int, extension: str, source: PhotoSource, threads: Executor) -> _Photo:
        in_thread = asyncio.get_running_loop().run_in_executor
        path = photo_path(self._size, photo_id, extension)
        kept = await in_thread(threads, self._kept, path, self._known.get(photo_id))
        if kept:
            self._counts["kept"] += 1
            return kept
        data = await source.fetch(photo_id, extension)
        self._counts["bytes"] += len(data)
        photo = await in_thread(threads, self._keep, path, data)
        self._counts["ok"] += 1
        return photo

    def _kept(self, path: str, known: _Photo | None) -> _Photo | None:
        """Return the photo if the store already has it whole."""
        try:
            if known and known.path == path and self._store.size(path) == known.bytes:
                return known
            return self._check(path, self._store.read_bytes(path))
        except (FileNotFoundError, PhotoError):
            return None

    def _keep(self, path: str, data: bytes) -> _Photo:
        photo = self._check(path, data)
        self._store.write_bytes(path, data)
        return photo

    def _check(self, path: str, data: bytes) -> _Photo:
        with self._decoders:
            name, width, height = imaging.probe(data)
            return _Photo(path, hashlib.sha256(data).hexdigest(), len(data), width, height, name)

    def _add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) >= _BATCH:
            self._flush()
        self._progress.advance(**self._counts)

    def _flush(self) -> None:
        self._batches.append(pa.RecordBatch.from_pylist(self._rows, schema=DOWNLOADS))
        self._rows = []


def _requests(wanted: pa.Table) -> Iterator[tuple[int, str]]:
    for batch in wanted.to_batches(max_chunksize=_BATCH):
        yield from zip(batch["photo_id"].to_pylist(), batch["extension_min"].to_pylist(), strict=True)


def _failed(table: pa.Table) -> pa.Table:
    return table.filter(pc.equal(table["status"], "failed"))


def _known(earlier: pa.Table | None) -> dict[int, _Photo]:
    if earlier is None:
        return {}
    ok = earlier.filter(pc.equal(earlier["status"], "ok"))
    return {row["photo_id"]: _Photo(*(row[name] for name in _Photo._fields)) for row in ok.to_pylist()}
