"""Notice a new snapshot of the metadata, and fetch it whole into the store.

A snapshot is the four files `taxa|observations|photos|observers.csv.gz` at the root of a bucket, at an HTTP(S)
address or in a folder. It is adopted only when all four are complete, unharmed to the end of their last gzip
member, and of one publication; until then the store holds it under `incoming/`, where a fetch that is run again
finds the files that were finished.

    seen = look("https://inaturalist-open-data.s3.amazonaws.com", SourceSettings())
    snapshot = fetch("https://inaturalist-open-data.s3.amazonaws.com", store, SourceSettings(), None)
    store.open(f"{snapshot.folder}/taxa.csv.gz")
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mushroom_tasks.errors import SnapshotDamaged, SourceChanged
from mushroom_tasks.inat.sources import PassingFailure, Source, Validators, open_source, persistently
from mushroom_tasks.inat.tables import FILES
from mushroom_tasks.progress import Progress
from mushroom_tasks.settings import SourceSettings
from mushroom_tasks.storage import Store, fingerprint

logger = logging.getLogger(__name__)

MARKER = "snapshot.json"  # written last: the snapshot is complete
_BLOCK = 1 << 20
_ADVICE = "The file is damaged where it comes from: try again later, or set another source."


@dataclass(frozen=True)
class FetchedSnapshot:
    """A complete snapshot in the store.

    `folder` is relative to the store root; `validators` are what the source said about each file; `bytes` is the
    size of the four files together.
    """

    fingerprint: str
    folder: str
    validators: dict[str, Validators]
    bytes: int


def folder_of(snapshot_fingerprint: str) -> str:
    """Return the folder of a snapshot, relative to the store root."""
    return f"snapshots/{snapshot_fingerprint}"


def look(source: str, access: SourceSettings) -> dict[str, Validators]:
    """Return what tells one publication of each file from the next, without reading the files.

    Per file: `etag`, `last_modified` and `size` over HTTP(S), `mtime_ns` and `size` in a folder. Raises
    SourceUnreachable where there is no such bucket.
    """

    async def work() -> dict[str, Validators]:
        async with open_source(source, access) as bucket:
            return await _look(bucket)

    return asyncio.run(work())


def is_telling(seen: Mapping[str, Validators]) -> bool:
    """Tell whether validators can prove that two publications are the same: a size alone proves nothing."""
    return all("etag" in v or "last_modified" in v or "mtime_ns" in v for v in seen.values())


def fetch(source: str, store: Store, access: SourceSettings, progress_folder: Path | None) -> FetchedSnapshot:
    """Fetch the four files into the store and return the snapshot.

    The fingerprint hashes the files' content, so a mirror and a folder give the same one; a snapshot that the store
    already has is not written again. Raises SourceUnreachable, SourceChanged (another snapshot was published
    meanwhile), SnapshotDamaged (a file is cut off or no gzip) and StorageFull; the store keeps what it had.
    """
    return asyncio.run(_fetch(source, store, access, progress_folder))


async def _look(bucket: Source) -> dict[str, Validators]:
    return {name: await bucket.validators(name) for name in FILES}


async def _fetch(source: str, store: Store, access: SourceSettings, progress_folder: Path | None) -> FetchedSnapshot:
    async with open_source(source, access) as bucket:
        seen = await _look(bucket)
        known = _known(store, source, seen)
        if known is not None:
            logger.info("the store has this snapshot already: %s", known.fingerprint)
            return known
        incoming = _incoming(store, source, seen)
        total = sum(int(validators.get("size", 0)) for validators in seen.values())
        files: dict[str, _File] = {}
        with Progress("snapshot", total=total, unit="bytes", folder=progress_folder) as progress:
            for name in FILES:
                receive = _Receive(bucket, store, f"{incoming}/{name}", name, seen[name], progress)
                files[name] = await persistently(receive, access.retries)
        now = await _look(bucket)
        if now != seen:
            raise SourceChanged(
                f"the source published another snapshot while this one was read: first {seen}, now {now}. Files of "
                "two snapshots do not fit each other: run this again."
            )
    return _adopt(store, source, incoming, seen, files)


@dataclass(frozen=True)
class _File:
    sha256: str
    bytes: int


class _Check:
    """Hashes a file and follows its gzip members while it streams by."""

    def __init__(self, name: str) -> None:
        self.name, self.bytes = name, 0
        self._sha = hashlib.sha256()
        self._member: Any = None  # zlib's decompressor of the member under way

    def update(self, block: bytes) -> None:
        if self.bytes == 0 and not block.startswith(b"\x1f\x8b"):
            raise SnapshotDamaged(f"{self.name} is no gzip file. It begins with {block[:60]!r}. {_ADVICE}")
        self.bytes += len(block)
        self._sha.update(block)
        try:
            self._inflate(block)
        except zlib.error as error:
            raise SnapshotDamaged(
                f"{self.name} is damaged within its first {self.bytes} bytes: {error}. {_ADVICE}"
            ) from error

    def _inflate(self, block: bytes) -> None:
        while block:
            if self._member is None:
                block = block.lstrip(b"\0")  # gzip allows zeros as padding between members
                if not block:
                    return
                self._member = zlib.decompressobj(wbits=31)
            # The text itself is not needed here: inflate in bounded pieces, and drop them.
            self._member.decompress(block, _BLOCK)
            while self._member.unconsumed_tail:
                self._member.decompress(self._member.unconsumed_tail, _BLOCK)
            block = self._member.unused_data
            if self._member.eof:
                self._member = None

    def finish(self) -> _File:
        if self.bytes == 0:
            raise SnapshotDamaged(f"{self.name} is empty: 0 bytes received. {_ADVICE}")
        if self._member is not None:
            raise SnapshotDamaged(
                f"{self.name} is cut off in the middle of a gzip member, after {self.bytes} bytes. {_ADVICE}"
            )
        return _File(self._sha.hexdigest(), self.bytes)


@dataclass(frozen=True)
class _Receive:
    """One try at one file: streamed, checked, and in the store only when it is whole."""

    bucket: Source
    store: Store
    path: str
    name: str
    seen: Validators
    progress: Progress

    async def __call__(self) -> _File:
        finished = self._finished()
        if finished is not None:
            return finished
        check = _Check(self.name)
        try:
            with self.store.open_atomic(self.path) as file:
                async for block in self.bucket.blocks(self.name, self.seen):
                    check.update(block)
                    file.write(block)
                    self.progress.advance(len(block))
                self._require_size(check.bytes)
                return check.finish()
        except PassingFailure:
            self.progress.advance(-check.bytes)  # the next try begins at the beginning
            raise

    def _finished(self) -> _File | None:
        """Return the file where an earlier fetch, killed since, had finished it."""
        if not self.store.exists(self.path) or self.store.size(self.path) != self.seen.get("size"):
            return None
        check = _Check(self.name)
        try:
            with self.store.open(self.path) as file:
                while block := file.read(_BLOCK):
                    check.update(block)
            found = check.finish()
        except SnapshotDamaged as error:
            logger.warning("received again, for its copy in the store is damaged: %s", error)
            return None
        self.progress.advance(found.bytes)
        return found

    def _require_size(self, received: int) -> None:
        expected = self.seen.get("size", received)
        if received != expected:
            raise PassingFailure(
                SnapshotDamaged(f"{self.name} has {expected} bytes at the source, {received} were received. {_ADVICE}")
            )


def _known(store: Store, source: str, seen: Mapping[str, Validators]) -> FetchedSnapshot | None:
    """Return the snapshot that an earlier fetch made of the very same publication."""
    if not is_telling(seen):
        return None
    for name in store.list("snapshots"):
        with suppress(FileNotFoundError):
            marker = store.read_json(f"{folder_of(name)}/{MARKER}")
            if marker["source"] == source and marker["validators"] == seen:
                return FetchedSnapshot(name, folder_of(name), dict(seen), marker["bytes"])
    return None


def _incoming(store: Store, source: str, seen: Mapping[str, Validators]) -> str:
    """Return the folder for files under way; what an older publication of this source left there is removed."""
    parent = f"incoming/{fingerprint('source', address=source)}"
    current = fingerprint("publication", validators=seen)
    for name in store.list(parent):
        if name != current:
            store.delete(f"{parent}/{name}", recursive=True)
    return f"{parent}/{current}"


def _adopt(
    store: Store, source: str, incoming: str, seen: dict[str, Validators], files: Mapping[str, _File]
) -> FetchedSnapshot:
    """Give the received files their place under the fingerprint of their content, the marker last."""
    name = fingerprint("snapshot", files={file: files[file].sha256 for file in FILES})
    folder, size = folder_of(name), sum(file.bytes for file in files.values())
    if not store.exists(f"{folder}/{MARKER}"):
        for file in FILES:
            store.fs.makedirs(store.path(folder), exist_ok=True)
            store.fs.mv(store.path(f"{incoming}/{file}"), store.path(f"{folder}/{file}"))
        content = {file: {"sha256": files[file].sha256, "bytes": files[file].bytes} for file in FILES}
        store.write_json(f"{folder}/{MARKER}", {"source": source, "validators": seen, "bytes": size, "files": content})
    store.delete(incoming, recursive=True)
    return FetchedSnapshot(name, folder, seen, size)
