"""Receive one file of a bucket: go on where an earlier try ended, and check every byte.

receive = Receive(bucket, "photos.csv.gz", seen, part, access, progress)
content = await persistently(receive, access.retries)
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import IO

from mushroom_tasks.errors import SnapshotDamaged
from mushroom_tasks.inat.snapshots.gzip_check import ADVICE, Content, GzipCheck
from mushroom_tasks.inat.snapshots.partial import PartialFile
from mushroom_tasks.inat.snapshots.sources import PassingFailure, Source, Validators
from mushroom_tasks.progress import Progress, size
from mushroom_tasks.settings import SourceSettings
from mushroom_tasks.storage import full_disk_named

logger = logging.getLogger(__name__)

_BLOCK = 1 << 20
_GAIN = 1 << 20  # bytes that a try has to bring for the tries before it to be forgotten


@dataclass
class Receive:
    """The tries at one file; calling it makes one.

    Raises PassingFailure where another try may help, SourceChanged and SnapshotDamaged where it does not, and
    StorageFull. What was received stays in `part`, except what is damaged.
    """

    bucket: Source
    name: str
    seen: Validators
    part: PartialFile
    access: SourceSettings
    progress: Progress
    _counted: int = field(default=0, init=False)  # bytes of this file that the progress shows
    _most: int = field(default=0, init=False)  # bytes that the best try came to
    _start: int = field(default=0, init=False)  # bytes of this try that came from the ones before it
    _check: GzipCheck = field(init=False)

    async def __call__(self) -> Content:
        """Fetch what is missing and return what the file holds."""
        self._start = await asyncio.to_thread(self._recall)
        self._most = max(self._most, self._start)
        try:
            if self._start < self.seen.get("size", self._start + 1):
                await self._go_on()
            return self._finish()
        except PassingFailure as failure:
            failure.has_gained = self.part.received >= self._most + _GAIN
            raise
        except SnapshotDamaged as error:
            self.part.clear()
            if self._start:  # put together in several tries: it may be ours that is damaged, not the source's
                raise PassingFailure(error) from error
            raise
        finally:
            self._most = max(self._most, self.part.received)

    def _recall(self) -> int:
        """Check again what is there of the file, for a disk forgets too, and return its bytes."""
        held = self.part.claim(self.seen)
        self._restart_check()
        if held == 0:
            return 0
        expected = self.seen["size"]
        logger.info("%s: %s of %s are here already; checking them", self.name, size(held), size(expected))
        try:
            if held > expected:
                raise SnapshotDamaged(f"{held} bytes are here, and the source has {expected}.")
            with self.part.open() as file:
                while block := file.read(_BLOCK):
                    self._check.update(block)
                    self._count(len(block), is_new=False)
        except SnapshotDamaged as error:
            logger.warning("%s: what is here of it is damaged; starting over. %s", self.name, error)
            self._start_over()
            return 0
        return held

    async def _go_on(self) -> None:
        async with self.bucket.read(self.name, self.seen, self._start) as reading:
            if reading.start != self._start:
                logger.warning(
                    "%s: the source does not go on after %s, it sends the whole file; starting over",
                    self.name,
                    size(self._start),
                )
                self._start_over()
                self._start = 0
            elif self._start:
                logger.info("%s: going on after %s", self.name, size(self._start))
            with full_disk_named(str(self.part.path)), self.part.open_end() as file:
                async for block in reading.blocks:
                    # In a thread: the next bytes arrive meanwhile.
                    await asyncio.to_thread(self._take, block, file)

    def _take(self, block: bytes, file: IO[bytes]) -> None:
        self._check.update(block)
        rest = memoryview(block)
        while rest:
            rest = rest[file.write(rest) :]
        self._count(len(block), is_new=True)

    def _finish(self) -> Content:
        received = self._check.bytes
        expected = self.seen.get("size", received)
        if received > expected:
            self._start_over()
        if received != expected:
            raise PassingFailure(
                SnapshotDamaged(f"{self.name} has {expected} bytes at the source, {received} were received. {ADVICE}")
            )
        return self._check.finish()

    def _start_over(self) -> None:
        self.part.clear()
        self._restart_check()

    def _restart_check(self) -> None:
        self._check = GzipCheck(self.name, self.access.max_expansion)
        self.progress.resume(-self._counted, file=self.name)
        self._counted = 0

    def _count(self, count: int, *, is_new: bool) -> None:
        self._counted += count
        if is_new:
            self.progress.advance(count, file=self.name)
        else:
            self.progress.resume(count, file=self.name)
