"""Where snapshots come from: a bucket at an HTTP(S) address, or a folder laid out like one.

async with open_source("/data/bucket", SourceSettings()) as source:
    await source.validators("taxa.csv.gz")                      # {"size": 1390, "mtime_ns": ...}
    async for block in source.blocks("taxa.csv.gz", seen): ...
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import aiohttp

from mushroom_tasks.errors import SnapshotDamaged, SourceChanged, SourceError, SourceUnreachable
from mushroom_tasks.settings import SourceSettings

logger = logging.getLogger(__name__)

Validators = dict[str, Any]
T = TypeVar("T")

_BLOCK = 1 << 20
_PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds
_ADVICE = "Check the setting `source`: it has to be an HTTP(S) address or a folder laid out like iNaturalist's bucket."


class PassingFailure(Exception):
    """A failure that may pass; `final` is the error where it does not."""

    def __init__(self, final: SourceError) -> None:
        super().__init__(str(final))
        self.final = final


class Source(Protocol):
    """A bucket that is open for reading."""

    async def validators(self, name: str) -> Validators:
        """Return what tells one publication of a file from the next."""

    def blocks(self, name: str, seen: Validators) -> AsyncIterator[bytes]:
        """Read a file from its beginning; SourceChanged where it is not the publication that was `seen`."""


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
        timeout=timeout, headers=headers, auto_decompress=False, trust_env=True
    ) as session:
        yield _Http(source.rstrip("/"), session, access.retries)


async def persistently(work: Callable[[], Awaitable[T]], retries: int) -> T:
    """Do `work` again, with growing pauses, while it raises PassingFailure; then raise its final error."""
    for attempt in range(retries + 1):
        try:
            return await work()
        except PassingFailure as failure:
            if attempt == retries:
                raise failure.final from failure
            pause = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE) * random.uniform(0.5, 1.0)  # noqa: S311
            logger.warning("%s Trying again in %.1f s (%d of %d)", failure, pause, attempt + 1, retries)
            await asyncio.sleep(pause)
    raise AssertionError("unreachable")


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

    async def blocks(self, name: str, seen: Validators) -> AsyncIterator[bytes]:
        if await self.validators(name) != seen:
            raise _changed(name, seen, await self.validators(name))
        try:
            with (self._folder / name).open("rb") as file:
                while block := file.read(_BLOCK):
                    yield block
        except OSError as error:
            raise SourceUnreachable(f"{self._folder / name} cannot be read: {error}.") from error


class _Http:
    def __init__(self, address: str, session: aiohttp.ClientSession, retries: int) -> None:
        self._address, self._session, self._retries = address, session, retries

    async def validators(self, name: str) -> Validators:
        return await persistently(lambda: self._head(name), self._retries)

    async def blocks(self, name: str, seen: Validators) -> AsyncIterator[bytes]:
        url, received = f"{self._address}/{name}", 0
        try:
            async with self._session.get(url) as response:
                _require_file(response, url)
                now = _validators(response)
                if any(now[key] != seen[key] for key in now.keys() & seen.keys()):
                    raise _changed(name, seen, now)
                async for block in response.content.iter_chunked(_BLOCK):
                    received += len(block)
                    yield block
        except aiohttp.ClientPayloadError as error:
            raise PassingFailure(
                SnapshotDamaged(
                    f"{url} breaks off: received {received} of {seen.get('size', 'unknown')} bytes ({error}). The "
                    "connection or the server cuts it off: try again later, or set another source."
                )
            ) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise PassingFailure(_unreachable(url, error)) from error

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


def _require_file(response: aiohttp.ClientResponse, url: str) -> None:
    received = f"{url} answers {response.status} {response.reason}"
    if response.status in _PASSING_STATUS:
        raise PassingFailure(SourceUnreachable(f"{received}. Try again later."))
    if response.status != 200:
        raise SourceUnreachable(f"{received}. {_ADVICE}")
    if response.content_type == "text/html":
        raise SourceUnreachable(f"{received} with a web page (text/html) in place of a gzip file. {_ADVICE}")


def _validators(response: aiohttp.ClientResponse) -> Validators:
    headers = response.headers
    found = {
        "etag": headers.get("ETag"),
        "last_modified": headers.get("Last-Modified"),
        "size": int(headers["Content-Length"]) if headers.get("Content-Length", "").isdigit() else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _unreachable(url: str, error: BaseException) -> SourceUnreachable:
    return SourceUnreachable(f"{url} cannot be reached: {type(error).__name__}: {error}. {_ADVICE}")


def _changed(name: str, seen: Validators, now: Validators) -> SourceChanged:
    return SourceChanged(
        f"{name} was replaced at the source while the snapshot was read: first {seen}, now {now}. Files of two "
        "snapshots do not fit each other: run this again."
    )
