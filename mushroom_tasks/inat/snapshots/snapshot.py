"""Notice a new snapshot of the metadata, and fetch it whole into the store.

A snapshot is four tables: the files `taxa|observations|photos|observers.csv.gz` at the root of a bucket, or an archive
below its `metadata/`, at an HTTP(S) address or in a folder. It is adopted only when all tables are complete, unharmed
to the end of their last gzip member, and of one publication; until then a folder on the local disk holds what was
fetched so far, and a fetch that is run again goes on from the last byte.

    seen = look("https://inaturalist-open-data.s3.amazonaws.com", SourceSettings())
    snapshot = fetch("https://inaturalist-open-data.s3.amazonaws.com", store, SourceSettings(), None)
    store.open(f"{snapshot.folder}/taxa.csv.gz")
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mushroom_tasks.disk import DiskUsage
from mushroom_tasks.errors import SourceChanged
from mushroom_tasks.inat.snapshots.archive import unpack
from mushroom_tasks.inat.snapshots.gzip_check import Content
from mushroom_tasks.inat.snapshots.partial import PartialFile, held
from mushroom_tasks.inat.snapshots.receiving import Receive
from mushroom_tasks.inat.snapshots.shelf import FetchedSnapshot, adopt, clean, folder_of, incoming_root, known
from mushroom_tasks.inat.snapshots.sources import Source, Validators, open_source, persistently
from mushroom_tasks.inat.snapshots.space import require_space
from mushroom_tasks.inat.tables import FILES
from mushroom_tasks.progress import Progress
from mushroom_tasks.settings import SourceSettings
from mushroom_tasks.storage import Store, fingerprint

logger = logging.getLogger(__name__)

__all__ = ["FetchedSnapshot", "clean", "fetch", "files_of", "folder_of", "is_telling", "look"]

_REPACKED = 1.2  # how much larger than their archive the tables may become, packed one by one


def files_of(snapshot: str) -> tuple[str, ...]:
    """Return the names of a publication's files in the bucket; `snapshot` as in the settings.

    Source: https://github.com/inaturalist/inaturalist-open-data/tree/main/Metadata/Download
    """
    return FILES if snapshot == "root" else (f"metadata/inaturalist-open-data-{snapshot}.tar.gz",)


def look(source: str, access: SourceSettings) -> dict[str, Validators]:
    """Return what tells one publication of each file from the next, without reading the files.

    Per file: `etag`, `last_modified` and `size` over HTTP(S), `mtime_ns` and `size` in a folder. It costs a HEAD
    request for each file. Raises SourceUnreachable where there is no such bucket or no such snapshot.
    """

    async def work() -> dict[str, Validators]:
        async with open_source(source, access) as bucket:
            return await _look(bucket, files_of(access.snapshot))

    return asyncio.run(work())


def is_telling(seen: Mapping[str, Validators]) -> bool:
    """Tell whether validators can prove that two publications are the same: a size alone proves nothing."""
    return all("etag" in v or "last_modified" in v or "mtime_ns" in v for v in seen.values())


def fetch(
    source: str,
    store: Store,
    access: SourceSettings,
    progress_folder: Path | None,
    *,
    partial: Path | None = None,
    disk_usage: DiskUsage = shutil.disk_usage,
) -> FetchedSnapshot:
    """Fetch the four tables into the store and return the snapshot.

    The fingerprint hashes the unpacked content of the tables, so the root files, an archive, a mirror and a folder give
    the same one; a snapshot that the store already has is not written again.

    Files under way lie in a local store itself, below `incoming/`; where the store is remote, in the folder `partial`
    (None: a temporary folder, which a killed process loses). Only one process at a time may fetch a snapshot.

    Raises SourceUnreachable, SourceChanged (another snapshot was published meanwhile), SnapshotDamaged (a file is cut
    off, no gzip, or an archive that is no snapshot), StorageFull (before anything is fetched, as far as sizes are
    known) and StorageError (another process is at it); the store keeps what it had, and `incoming` what was fetched.
    """
    names = files_of(access.snapshot)
    seen = look(source, access)
    there = known(store, source, seen) if is_telling(seen) else None
    if there is not None:
        logger.info("the store has this snapshot already: %s", there.fingerprint)
        return there
    with _incoming(store, source, access, partial) as incoming:
        tables, notes, is_archive = incoming / "tables", incoming / "notes", names != FILES
        place = incoming if is_archive else tables
        files = {name: PartialFile(place / Path(name).name, notes / f"{Path(name).name}.json") for name in names}
        if is_archive:
            shutil.rmtree(tables, ignore_errors=True)  # an unpacking that was killed
        _require_space(incoming, files.values(), seen, disk_usage, is_archive=is_archive)
        contents = asyncio.run(_receive(source, access, seen, files, progress_folder))
        if is_archive:
            (archive,) = files.values()
            contents = _unpack(archive, tables, access, progress_folder)
        snapshot = adopt(store, source, tables, seen, contents)
        shutil.rmtree(incoming, ignore_errors=True)
    return snapshot


async def _look(bucket: Source, names: tuple[str, ...]) -> dict[str, Validators]:
    return dict(zip(names, await asyncio.gather(*(bucket.validators(name) for name in names)), strict=True))


async def _receive(
    source: str,
    access: SourceSettings,
    seen: Mapping[str, Validators],
    files: Mapping[str, PartialFile],
    progress_folder: Path | None,
) -> dict[str, Content]:
    total = sum(int(validators.get("size", 0)) for validators in seen.values())
    contents: dict[str, Content] = {}
    async with open_source(source, access) as bucket:
        with Progress("snapshot", total=total, unit="bytes", folder=progress_folder) as progress:
            for name, part in files.items():
                receive = Receive(bucket, name, seen[name], part, access, progress)
                contents[name] = await persistently(receive, access.retries)
        now = await _look(bucket, tuple(files))
    if now != seen:
        raise SourceChanged(
            f"the source published another snapshot while this one was read: first {dict(seen)}, now {now}. Files of "
            "two snapshots do not fit each other: run this again, files that did not change are kept."
        )
    return contents


def _unpack(
    archive: PartialFile, folder: Path, access: SourceSettings, progress_folder: Path | None
) -> dict[str, Content]:
    with Progress("snapshot", total=archive.received, unit="bytes", folder=progress_folder) as progress:
        return unpack(archive.path, folder, max_expansion=access.max_expansion, progress=progress)


def _require_space(
    incoming: Path,
    files: Iterable[PartialFile],
    seen: Mapping[str, Validators],
    disk_usage: DiskUsage,
    *,
    is_archive: bool,
) -> None:
    total = sum(int(validators.get("size", 0)) for validators in seen.values())
    here = sum(part.received for part in files)
    need = max(total - here, 0) + (int(total * _REPACKED) if is_archive else 0)
    what = "the archive together with the tables taken out of it" if is_archive else "the snapshot"
    require_space(incoming, need, f"{what}, as far as it is not here yet,", disk_usage)


@contextmanager
def _incoming(store: Store, source: str, access: SourceSettings, partial: Path | None) -> Iterator[Path]:
    """Hold the folder for files under way of this source and kind of snapshot, for this process alone."""
    with ExitStack() as stack:
        root = incoming_root(store, partial)
        if root is None:
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mushroom-snapshot-")))
        folder = root / fingerprint("source", address=source, snapshot=access.snapshot)
        stack.enter_context(held(folder))
        yield folder
