"""Download photos into the store: bounded, paced, retried, resumable, verified.

Needs a source (an HTTP(S) address or a folder, see `fetch`) and a store. Each photo is checked before it is stored,
and stored exactly as received. A photo that cannot be had is a row with a reason, not an exception;
`failures.check_failed_ratio` judges them together once all shards are done.

    table = download(selection.slice(0, 1000), settings.source, Store(settings.store), settings.download)

    with manifest_writer(store, path, DOWNLOADS, key) as out:        # a list of any length
        totals = download_batches(batches, source, store, settings, total=n, write=out.write_batch)

Photos under way are bounded by `connections`, and rows that wait for their turn by `ordered`: neither memory nor
what a killed run fetches twice grows with the list.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from mushroom_tasks.errors import PhotoError, StorageError
from mushroom_tasks.manifests import DOWNLOADS
from mushroom_tasks.photos.failures import Failures
from mushroom_tasks.photos.fetch import PhotoSource, open_source
from mushroom_tasks.photos.keeping import Shelf
from mushroom_tasks.photos.ordered import OrderedRows, Row
from mushroom_tasks.photos.store import PhotoStore, photo_path
from mushroom_tasks.photos.wanted import Photo, Request, wanted
from mushroom_tasks.photos.workers import Workers
from mushroom_tasks.progress import Progress, size
from mushroom_tasks.settings import DownloadSettings
from mushroom_tasks.storage import Store

_TICK = 0.5  # seconds between looks at the progress


@dataclass(frozen=True)
class Totals:
    """What a download did: photos fetched now and found in the store, bytes fetched, seconds, failures."""

    new: int
    reused: int
    bytes: int
    seconds: float
    failures: Failures


def download(
    rows: pa.Table,
    source: str,
    store: Store,
    settings: DownloadSettings,
    progress_folder: Path | None = None,
    *,
    earlier: pa.Table | None = None,
) -> pa.Table:
    """Bring photos into the store, and return a DOWNLOADS table: `download_batches` for lists that fit in memory.

    `rows` and `earlier` need not be sorted; the result is, by photo_id.
    """
    batches: list[pa.RecordBatch] = []
    selection = rows.select(["photo_id", "extension"]).sort_by("photo_id")
    known = earlier.sort_by("photo_id").to_batches() if earlier is not None else ()
    download_batches(
        selection.to_batches(),
        source,
        store,
        settings,
        total=selection.num_rows,
        write=batches.append,
        earlier=known,
        progress_folder=progress_folder,
    )
    return pa.Table.from_batches(batches, schema=DOWNLOADS).combine_chunks()


def download_batches(
    selection: Iterable[pa.RecordBatch],
    source: str,
    store: Store,
    settings: DownloadSettings,
    *,
    total: int,
    write: Callable[[pa.RecordBatch], None],
    earlier: Iterable[pa.RecordBatch] = (),
    progress_folder: Path | None = None,
) -> Totals:
    """Bring photos into the store; a row of DOWNLOADS per photo goes to `write`, sorted by photo_id.

    Photos that are in the store and pass the check are not fetched again, so a run that was killed, or whose
    failures are to be tried again, is simply run again.

    Parameters
    ----------
    selection
        What is wanted: columns `photo_id` and `extension`, sorted by photo_id.
    source
        Bucket in iNaturalist's layout: an HTTP(S) address or a folder.
    store
        Where photos are kept, at `photo_path(size, photo_id, extension)`.
    settings
        Size, bounds, pace, tries and timeout.
    total
        Rows of `selection`, for the progress.
    write
        Called with batches of DOWNLOADS.
    earlier
        DOWNLOADS of an earlier run, sorted by photo_id: photos that were ok there, and still have the same size, are
        trusted without a look at their content.
    progress_folder
        Where progress is written for a live display; None writes none.

    Raises
    ------
    SourceUnreachable
        The source does not answer, or fails or refuses for every photo.
    StorageFull, StorageError
        The store cannot be written, or a manifest is not sorted.
    """
    with Progress("download", total, "photos", progress_folder) as progress:
        photos = PhotoStore(store)
        photos.tidy()
        run = _Run(photos, settings, write)
        _run_fast(run.all(wanted(selection, earlier), source, progress))
        return run.totals()


class _Run:
    """One call of `download_batches`: as many photos at once as there are connections, and the rows they add."""

    def __init__(self, store: PhotoStore, settings: DownloadSettings, write: Callable[[pa.RecordBatch], None]) -> None:
        self._store, self._settings, self._write = store, settings, write
        self._shelf = Shelf(store, settings)
        self._counts = Counter(ok=0, failed=0, kept=0)
        self._bytes = 0
        self._failures = Failures()
        self._start = time.monotonic()

    async def all(self, requests: Iterator[Request], source: str, progress: Progress) -> None:
        """Work through the requests; the first error that is not about one photo ends it for all."""
        rows = OrderedRows(self._hand_on)
        try:
            async with (
                Workers(self._threads()) as workers,
                open_source(source, self._settings, workers) as opened,
                asyncio.TaskGroup() as group,
            ):
                ticker = group.create_task(self._tick(progress))
                async with asyncio.TaskGroup() as photos:
                    for _ in range(self._settings.connections):
                        photos.create_task(self._work(requests, rows, opened, workers))
                ticker.cancel()
        except ExceptionGroup as errors:
            first = _first(errors)
            raise first from first.__cause__
        finally:
            self._tell(progress)
        rows.finish()

    def totals(self) -> Totals:
        """Return what was done."""
        seconds = time.monotonic() - self._start
        return Totals(self._counts["ok"], self._counts["kept"], self._bytes, seconds, self._failures)

    def _threads(self) -> int:
        """Return how many threads pay: a remote store is waited for, a disk is not, but decoding takes processors."""
        return (os.cpu_count() or 1) if self._store.is_local else self._settings.connections

    async def _work(
        self, requests: Iterator[Request], rows: OrderedRows, source: PhotoSource, workers: Workers
    ) -> None:
        for request in requests:
            await rows.room(request.number)
            try:
                photo = await self._one(request, source, workers)
                row: Row = (request.photo_id, "ok", None, None, *photo)
            except PhotoError as failure:
                self._counts["failed"] += 1
                row = (request.photo_id, "failed", failure.reason, str(failure), *_NOTHING)
            except OSError as error:
                raise StorageError(
                    f"photo {request.photo_id} cannot be kept in the store {self._store.root}: {error}"
                ) from error
            rows.put(request.number, row)

    async def _one(self, request: Request, source: PhotoSource, workers: Workers) -> Photo:
        path = photo_path(self._settings.size, request.photo_id, request.extension)
        # A look at a disk takes less than the way to a thread.
        if not self._store.is_local or self._store.size(path) is not None:
            kept = await workers.run(self._shelf.kept, path, request.photo_id, request.known)
            if kept is not None:
                self._counts["kept"] += 1
                return kept
        data = await source.fetch(request.photo_id, request.extension)
        self._bytes += len(data)
        photo = self._shelf.keep_plain(path, data)
        if photo is None:
            photo = await workers.run(self._shelf.keep, path, request.photo_id, data)
        self._counts["ok"] += 1
        return photo

    def _hand_on(self, batch: pa.RecordBatch) -> None:
        self._failures.add(batch)
        self._write(batch)

    async def _tick(self, progress: Progress) -> None:
        """Tell the progress at a steady pace, also while everybody waits for the source."""
        while True:
            await asyncio.sleep(_TICK)
            self._tell(progress)

    def _tell(self, progress: Progress) -> None:
        kept = self._counts["kept"]
        fetched = self._counts["ok"] + self._counts["failed"]
        told = progress.details.get("kept", 0)
        rate = self._bytes / max(time.monotonic() - self._start, 1e-9)
        progress.resume(kept - told, **self._counts, fetched=size(self._bytes), rate=f"{size(rate)}/s")
        progress.advance(fetched + kept - progress.done)


_NOTHING = (None,) * len(Photo._fields)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _run_fast(main: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop, which costs a photo half of what asyncio's own loop does; Windows has none."""
    factory = None
    if sys.platform != "win32":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)
