"""Where photos come from: a bucket over HTTP(S), or a folder laid out like one.

Both give the bytes of `photos/<photo_id>/<size>.<extension>`, or raise PhotoError with a reason code. What fails in
passing is tried again with growing, jittered pauses; what fails for good is not. A source that does not answer at
all ends the run with SourceUnreachable instead of failing photo by photo for hours. How fast a host is asked, and
when it is left alone, is `pacing`'s.

    async with open_source("https://inaturalist-open-data.s3.amazonaws.com", settings, workers) as source:
        data = await source.fetch(128036, "jpg")
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from mushroom_tasks import __version__
from mushroom_tasks.backoff import retry_after_seconds
from mushroom_tasks.errors import PhotoError, SourceUnreachable
from mushroom_tasks.photos import pacing
from mushroom_tasks.photos.pacing import Host
from mushroom_tasks.photos.workers import Workers
from mushroom_tasks.settings import DownloadSettings

USER_AGENT = f"mobile-mushroom-classifier/{__version__} (aiohttp/{aiohttp.__version__})"
MAX_REDIRECTS = 3
MAX_FAILED_IN_A_ROW = 100
MIN_REFUSALS = 4  # in a row, over all connections, before a host is left alone; with more connections, two of each
_CONNECT_TIMEOUT = 10.0
_DNS_SECONDS = 300
_BUFFER = 1 << 16  # bytes of one answer that are read ahead: a photo at once, mostly
_GONE = {403, 404, 410}  # S3 answers 403 for a missing object where listing is not allowed
_REFUSING = {429, 503}
_PASSING = {408, 425, 500, 502, 504}


class PhotoSource(Protocol):
    """What gives photos by their id."""

    async def fetch(self, photo_id: int, extension: str) -> bytes:
        """Return a photo's bytes as received, or raise PhotoError."""


@asynccontextmanager
async def open_source(source: str, settings: DownloadSettings, workers: Workers) -> AsyncIterator[PhotoSource]:
    """Open an HTTP(S) address or a folder as a source of photos; `workers` do what would block the event loop.

    Raises SourceUnreachable where it is neither.
    """
    if source.lower().startswith(("http://", "https://")):
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=settings.connections, ttl_dns_cache=_DNS_SECONDS),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=min(_CONNECT_TIMEOUT, settings.timeout)),
            # As stored: what a server compressed on its way could grow without bounds here.
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_BUFFER,
        ) as session:
            yield HttpSource(session, source, settings)
    else:
        yield FolderSource(Path(source), settings, workers)


class FolderSource:
    """Photos in a folder, read without any network."""

    def __init__(self, folder: Path, settings: DownloadSettings, workers: Workers) -> None:
        if not (folder / "photos").is_dir():
            raise SourceUnreachable(
                f"the source holds no photos: there is no folder {folder / 'photos'}. Give an HTTP(S) address, or a "
                "folder in the layout of the iNaturalist open data."
            )
        self._folder, self._settings, self._workers = folder, settings, workers

    async def fetch(self, photo_id: int, extension: str) -> bytes:
        """Return a photo's bytes, or raise PhotoError."""
        path = self._folder / _address(photo_id, self._settings, extension)
        return await self._workers.run(self._read, path)

    def _read(self, path: Path) -> bytes:
        try:
            with path.open("rb") as file:
                data = file.read(self._settings.max_bytes + 1)
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            raise PhotoError("missing", f"{path}: {error.strerror}") from error
        except OSError as error:
            raise PhotoError("connection", f"{path} cannot be read: {error.strerror}") from error
        if len(data) > self._settings.max_bytes:
            raise PhotoError("too_large", f"{path.stat().st_size} bytes, more than {self._settings.max_bytes} allowed")
        return data


class HttpSource:
    """Photos over HTTP(S).

    Parameters
    ----------
    session
        Carries the bound on connections.
    address
        What stands before `/photos/`.
    """

    def __init__(self, session: aiohttp.ClientSession, address: str, settings: DownloadSettings) -> None:
        self._session, self._address, self._settings = session, address.rstrip("/"), settings
        self._host = Host(
            self._address,
            rate=settings.max_rate,
            max_outage=settings.max_outage,
            patience=max(MIN_REFUSALS, 2 * settings.connections),
        )
        self._proxy = _proxy(self._address)
        self._last_answer = 0.0  # time.monotonic() of the last status line, of whatever photo
        self._failed_in_a_row = 0

    async def fetch(self, photo_id: int, extension: str) -> bytes:
        """Return a photo's bytes, after as many tries as it takes and the settings allow.

        Raises PhotoError for this photo alone, SourceUnreachable where the source is gone for all of them.
        """
        url = f"{self._address}/{_address(photo_id, self._settings, extension)}"
        start = time.monotonic()
        tries = 0
        while True:
            tries += 1
            try:
                data = await self._admitted(url)
            except _Passing as failure:
                if tries > self._settings.retries:
                    self._give_up(failure, start, tries)
                await asyncio.sleep(pacing.pause(tries))
            except PhotoError:
                self._failed_in_a_row = 0
                raise
            else:
                self._failed_in_a_row = 0
                return data

    async def _admitted(self, url: str) -> bytes:
        """Try once, when the host may be asked, and tell it what came of it."""
        probing = await self._host.admit()
        try:
            data = await self._try(url)
        except _Refused as refusal:
            self._host.refused(probing, refusal.retry_after)
            raise
        except PhotoError:
            self._host.answered(probing)
            raise
        except BaseException:
            self._host.silent(probing)
            raise
        self._host.answered(probing)
        return data

    async def _try(self, url: str) -> bytes:
        try:
            async with (
                asyncio.timeout(self._settings.timeout),
                self._session.get(url, max_redirects=MAX_REDIRECTS, proxy=self._proxy) as response,
            ):
                self._last_answer = time.monotonic()
                _check_status(response)
                return await _read_body(response, self._settings.max_bytes)
        except aiohttp.TooManyRedirects as error:
            raise PhotoError("http_error", f"more than {MAX_REDIRECTS} redirects: {url}") from error
        except aiohttp.RedirectClientError as error:
            raise PhotoError("http_error", f"a redirect that leads to no HTTP(S) address: {error}") from error
        except aiohttp.InvalidURL as error:
            raise SourceUnreachable(f"the source is no HTTP(S) address. Received: {self._address!r}") from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise _Passing("connection", f"no connection: {error}", unconnected=True) from error
        except TimeoutError as error:
            raise _Passing("timeout", f"no whole answer within {self._settings.timeout:g} s") from error
        except aiohttp.ClientError as error:
            raise _Passing("connection", f"{error or type(error).__name__}") from error

    def _give_up(self, failure: _Passing, start: float, tries: int) -> NoReturn:
        self._failed_in_a_row += 1
        if failure.unconnected and self._last_answer < start:
            raise SourceUnreachable(
                f"{self._address} cannot be reached: {failure}. No request was answered in the last "
                f"{time.monotonic() - start:.0f} s. Check the source's address and the network, then run this again: "
                "photos that are in the store are kept."
            ) from failure
        if self._failed_in_a_row >= MAX_FAILED_IN_A_ROW:
            raise SourceUnreachable(
                f"{self._address} failed for {self._failed_in_a_row} photos in a row, each tried {tries} times; the "
                f"last with: {failure}. Run this again later: photos that are in the store are kept."
            ) from failure
        raise PhotoError(failure.reason, f"{failure} (tried {tries} times)") from failure


class _Passing(Exception):
    """One try failed in a way that the next may not."""

    def __init__(self, reason: str, message: str, *, unconnected: bool = False) -> None:
        super().__init__(message)
        self.reason, self.unconnected = reason, unconnected


class _Refused(_Passing):
    """The host has too much to do, and may have said for how long."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__("http_error", message)
        self.retry_after = retry_after


def _address(photo_id: int, settings: DownloadSettings, extension: str) -> str:
    return f"photos/{photo_id}/{settings.size}.{extension}"


def _check_status(response: aiohttp.ClientResponse) -> None:
    status = f"HTTP {response.status} {response.reason or ''}".rstrip()
    if response.status in _GONE:
        raise PhotoError("missing", status)
    if response.status in _REFUSING:
        raise _Refused(status, retry_after_seconds(response.headers.get("Retry-After", "")))
    if response.status in _PASSING:
        raise _Passing("http_error", status)
    if response.status != 200:
        raise PhotoError("http_error", f"{status}, where 200 was expected")


async def _read_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    declared = response.content_length
    if declared is not None and declared > max_bytes:
        raise PhotoError("too_large", f"{declared} bytes declared, more than {max_bytes} allowed")
    body = bytearray()
    try:
        async for block in response.content.iter_any():
            body += block
            if len(body) > max_bytes:
                raise PhotoError("too_large", f"more than {max_bytes} bytes, which is all that is allowed")
    except aiohttp.ClientPayloadError as error:
        of = "" if declared is None else f" of {declared}"
        raise _Passing("connection", f"the connection was cut after {len(body)}{of} bytes") from error
    return bytes(body)


def _proxy(address: str) -> str | None:
    """Return the proxy that the environment names for an address.

    Once, not per request as `trust_env` would: reading it costs more than a request.
    """
    parts = urlsplit(address)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)
