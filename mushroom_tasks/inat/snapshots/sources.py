"""Where snapshots come from: a bucket at an HTTP(S) address, or a folder laid out like one.

async with open_source("/data/bucket", SourceSettings()) as source:
    seen = await source.validators("taxa.csv.gz")               # {"size": 1390, "mtime_ns": ...}
    async with source.read("taxa.csv.gz", seen, start=1000) as reading:
        async for block in reading.blocks: ...                  # from byte reading.start on
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import aiohttp

from mushroom_tasks.backoff import growing_pause
from mushroom_tasks.errors import SnapshotDamaged, SourceChanged, SourceError, SourceUnreachable
from mushroom_tasks.settings import SourceSettings

logger = logging.getLogger(__name__)

Validators = dict[str, Any]
T = TypeVar("T")

_BLOCK = 1 << 20
_PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_ADVICE = (
    "Check the setting `source`: it has to be an HTTP(S) address or a folder laid out like iNaturalist's bucket, and "
    "to have the snapshot that the setting `source_access.snapshot` names."
)


class PassingFailure(Exception):
    """A failure that may pass; `final` is the error where it does not.

    `has_gained` tells that the try brought something that stays, so that the tries before it no longer count.
    """

    def __init__(self, final: SourceError) -> None:
        super().__init__(str(final))
        self.final = final
        self.has_gained = False


@dataclass(frozen=True)
class Reading:
    """A file under way: the first of `blocks` begins at byte `start`."""

    start: int
    blocks: AsyncIterator[bytes]


class Source(Protocol):
    """A bucket that is open for reading."""

    async def validators(self, name: str) -> Validators:
        """Return what tells one publication of a file from the next."""

    def read(self, name: str, seen: Validators, start: int) -> AbstractAsyncContextManager[Reading]:
        """Read a file from byte `start` on, or from its beginning where the source cannot go on in the middle.

        Raises SourceChanged where it is not the publication that was `seen`.
        """


@asynccontextmanager
async def open_source(source: str, access: SourceSettings) -> AsyncIterator[Source]:
    """Open a bucket; SourceUnreachable where the folder does not exist."""
    if not source.lower().startswith(("http://", "https://")):
        yield _Folder(source)
        return
    timeout = aiohttp.ClientTimeout(total=None, connect=access.timeout, sock_read=access.timeout)
    # The files are wanted as they are stored: no content encoding is asked for, and none undone.
    headers = {"Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(
        timeout=timeout, headers=headers, auto_decompress=False, trust_env=True, read_bufsize=2 * _BLOCK
    ) as session:
        yield _Http(source.rstrip("/"), session, access.retries)


async def persistently(work: Callable[[], Awaitable[T]], retries: int) -> T:
    """Do `work` again, with growing pauses, while it raises PassingFailure; then raise its final error."""
    attempt = 0
    while True:
        try:
            return await work()
        except PassingFailure as failure:
            attempt = 0 if failure.has_gained else attempt
            if attempt >= retries:
                raise failure.final from failure
            attempt += 1
            pause = growing_pause(attempt, _FIRST_PAUSE, _LONGEST_PAUSE)
            logger.warning("%s Trying again in %.1f s (%d of %d)", failure, pause, attempt, retries)
            await asyncio.sleep(pause)


class _Folder:
    def __init__(self, source: str) -> None:
        self._folder = Path(source).expanduser()
        if not self._folder.is_dir():
            raise SourceUnreachable(f"the source is no folder. Received: {source!r}. {_ADVICE}")

    async def validators(self, name: str) -> Validators:
        try:
            status = (self._folder / name).stat()
        except OSError as error:
            raise SourceUnreachable(f"the source has no readable {name}: {error}. {_ADVICE}") from error
        return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}

    @asynccontextmanager
    async def read(self, name: str, seen: Validators, start: int) -> AsyncIterator[Reading]:
        now = await self.validators(name)
        if now != seen:
            raise _changed(name, seen, now)
        yield Reading(start, self._blocks(name, start))

    async def _blocks(self, name: str, start: int) -> AsyncIterator[bytes]:
        try:
            with (self._folder / name).open("rb") as file:
                file.seek(start)
                while block := file.read(_BLOCK):
                    yield block
        except OSError as error:
            raise SourceUnreachable(f"{self._folder / name} cannot be read: {error}.") from error


class _Http:
    def __init__(self, address: str, session: aiohttp.ClientSession, retries: int) -> None:
        self._address, self._session, self._retries = address, session, retries

    async def validators(self, name: str) -> Validators:
        return await persistently(lambda: self._head(name), self._retries)

    @asynccontextmanager
    async def read(self, name: str, seen: Validators, start: int) -> AsyncIterator[Reading]:
        url, asked = f"{self._address}/{name}", _range(seen, start)
        try:
            async with self._session.get(url, headers=asked) as response:
                if not asked or response.status != 416:
                    yield self._reading(response, name, seen, start if asked else 0)
                    return
        except (aiohttp.ClientError, TimeoutError) as error:
            raise PassingFailure(_unreachable(url, error)) from error
        async with self.read(name, seen, 0) as whole:  # it knows ranges, but not this one
            yield whole

    def _reading(self, response: aiohttp.ClientResponse, name: str, seen: Validators, start: int) -> Reading:
        """Return what a response holds, after its status and validators were looked at."""
        url = f"{self._address}/{name}"
        is_part = response.status == 206 and start > 0
        _require_file(response, url, is_part=is_part)
        now = _validators(response)
        if any(now[key] != seen[key] for key in now.keys() & seen.keys()):
            raise _changed(name, seen, now)
        if is_part and _first_byte(response) != start:
            raise PassingFailure(
                SourceUnreachable(
                    f"{url} was asked for its bytes from {start} on and answers with Content-Range "
                    f"{response.headers.get('Content-Range')!r}. Set another source, or try again later."
                )
            )
        return Reading(start if is_part else 0, self._blocks(response, url, start if is_part else 0, seen))

    async def _blocks(
        self, response: aiohttp.ClientResponse, url: str, start: int, seen: Validators
    ) -> AsyncIterator[bytes]:
        received = start
        try:
            async for block in response.content.iter_chunked(_BLOCK):
                received += len(block)
                yield block
        except (aiohttp.ClientError, TimeoutError) as error:
            if rest := _arrived(response.content):
                received += len(rest)
                yield rest
            if not isinstance(error, aiohttp.ClientPayloadError):
                raise PassingFailure(_unreachable(url, error)) from error
            raise PassingFailure(
                SnapshotDamaged(
                    f"{url} breaks off: received {received} of {seen.get('size', 'unknown')} bytes ({error}). The "
                    "connection or the server cuts it off: try again later, or set another source."
                )
            ) from error

    async def _head(self, name: str) -> Validators:
        url = f"{self._address}/{name}"
        try:
            async with self._session.head(url, allow_redirects=True) as response:
                if response.status not in (405, 501):
                    _require_file(response, url)
                    return _validators(response)
            async with self._session.get(url) as response:  # a server that does not know HEAD; the body is left unread
                _require_file(response, url)
                return _validators(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise PassingFailure(_unreachable(url, error)) from error


def _range(seen: Validators, start: int) -> dict[str, str]:
    """Return the headers that ask for the rest of the very file that was begun.

    Empty where nothing was begun, or where nothing proves that it is the same file: a weak ETag does not (RFC 9110,
    section 13.1.5).
    """
    etag = str(seen.get("etag", ""))
    proof = etag if etag and not etag.startswith("W/") else str(seen.get("last_modified", ""))
    return {"Range": f"bytes={start}-", "If-Range": proof} if start and proof else {}


def _first_byte(response: aiohttp.ClientResponse) -> int | None:
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _size(response: aiohttp.ClientResponse) -> int | None:
    """Return the size of the whole file, of which the response may be a part."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    text = match[2] if match else response.headers.get("Content-Length", "")
    return int(text) if text.isdigit() else None


def _require_file(response: aiohttp.ClientResponse, url: str, *, is_part: bool = False) -> None:
    received = f"{url} answers {response.status} {response.reason}"
    if response.status in _PASSING_STATUS:
        raise PassingFailure(SourceUnreachable(f"{received}. Try again later."))
    if response.status != (206 if is_part else 200):
        raise SourceUnreachable(f"{received}. {_ADVICE}")
    if response.content_type == "text/html":
        raise SourceUnreachable(f"{received} with a web page (text/html) in place of a gzip file. {_ADVICE}")


def _validators(response: aiohttp.ClientResponse) -> Validators:
    headers = response.headers
    found = {
        "etag": headers.get("ETag"),
        "last_modified": headers.get("Last-Modified"),
        "size": _size(response),
    }
    return {name: value for name, value in found.items() if value is not None}


def _arrived(content: aiohttp.StreamReader) -> bytes:
    """Return the bytes that had arrived when a connection broke, some MiB at most; aiohttp would throw them away."""
    content.set_exception(None)  # type: ignore[arg-type]  # it is raised before any byte is given out
    return content.read_nowait()


def _unreachable(url: str, error: BaseException) -> SourceUnreachable:
    return SourceUnreachable(f"{url} cannot be reached: {type(error).__name__}: {error}. {_ADVICE}")


def _changed(name: str, seen: Validators, now: Validators) -> SourceChanged:
    return SourceChanged(
        f"{name} was replaced at the source while the snapshot was read: first {seen}, now {now}. Files of two "
        "snapshots do not fit each other: run this again."
    )
