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

import hashlib
import logging
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mushroom_tasks.errors import SnapshotDamaged, SourceChanged, SourceError
from mushroom_tasks.inat.sources import Validators, open_source
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
    with open_source(source, access) as bucket:
        return {name: bucket.validators(name) for name in FILES}


def fetch(source: str, store: Store, access: SourceSettings, progress_folder: Path | None) -> FetchedSnapshot:
    """Fetch the four files into the store and return the snapshot.

    The fingerprint hashes the files' content, so a mirror and a folder give the same one; a snapshot that the store
    already has is not written again. Raises SourceUnreachable, SourceChanged (another snapshot was published
    meanwhile), SnapshotDamaged (a file is cut off or no gzip) and StorageFull; the store keeps what it had.
    """
    with open_source(source, access) as bucket:
        before = {name: bucket.validators(name) for name in FILES}
        known = _known(store, source, before)
        if known is not None:
            logger.info("the store has this snapshot already: %s", known.fingerprint)
            return known
        incoming = _incoming(store, source, before)
        total = sum(int(seen.get("size") or 0) for seen in before.values())
        with Progress("snapshot", total=total, unit="bytes", folder=progress_folder) as progress:
            files = {name: _receive(bucket, name, before[name], store, incoming, progress) for name in FILES}
        _require_unchanged(before, {name: bucket.validators(name) for name in FILES})
    return _adopt(store, source, incoming, before, files)


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
            raise SnapshotDamaged(f"{self.name} is damaged within its first {self.bytes} bytes: {error}. {_ADVICE}") from error

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


def _receive(
    bucket: Any, name: str, seen: Validators, store: Store, incoming: str, progress: Progress
) -> _File:
    path = f"{incoming}/{name}"
    if store.exists(path) and store.size(path) == seen.get("size"):
        logger.info("%s was received before", name)
        return _checked(name, _blocks_of(store, path), progress)
    for attempt in bucket.attempts(name):
        with attempt, store.open_atomic(path) as file:
            check = _Check(name)
            for block in attempt.blocks(seen):
                check.update(block)
                file.write(block)
                progress.advance(len(block))
            return check.finish()
    raise SourceError(f"{name} was not received")  # attempts() raises before it ends


def _checked(name: str, blocks: Iterator[bytes], progress: Progress) -> _File:
    check = _Check(name)
    for block in blocks:
        check.update(block)
        progress.advance(len(block))
    return check.finish()


def _blocks_of(store: Store, path: str) -> Iterator[bytes]:
    with store.open(path) as file:
        while block := file.read(_BLOCK):
            yield block
