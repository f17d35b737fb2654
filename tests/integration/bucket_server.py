"""A bucket over real HTTP on 127.0.0.1 that can be told to fail, for the tests of what reads it."""

from __future__ import annotations

import asyncio
import math
import re
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Served:
    """One GET: where it began, how many bytes were sent, and what If-Range was asked."""

    name: str
    start: int
    count: int
    if_range: str | None


class Server:
    """Serves a folder with ETag, Range and If-Range, as an object store does; faults are switched on per file.

    `cuts` holds, for a file, after how many bytes each of the next GETs is cut off; `stalls` after how many bytes the
    next GET sends nothing more until `release`. `has_ranges` and `has_etag` switch these off for all files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.requests = folder, list[tuple[str, str]]()
        self.served: list[Served] = []
        self.cuts: dict[str, list[int]] = {}
        self.stalls: dict[str, int] = {}
        self.has_ranges = self.has_etag = True
        self.release = threading.Event()
        self._replaced: dict[str, Handler] = {}
        self._loop, self._ready = asyncio.new_event_loop(), threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._ready.wait(10)

    def replace(self, name: str, handler: Handler) -> None:
        """Answer requests for a file in another way."""
        self._replaced[name] = handler

    def stop(self) -> None:
        self.release.set()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.requests.append((request.method, name))
        if name in self._replaced:
            return await self._replaced[name](request)
        if not (self.folder / name).is_file():
            raise web.HTTPNotFound
        return await self.send(request, name)

    async def send(self, request: web.Request, name: str) -> web.StreamResponse:
        """Answer with a file, or the part of it that was asked for."""
        data, stat = (self.folder / name).read_bytes(), (self.folder / name).stat()
        etag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'  # as aiohttp's own FileResponse
        modified = formatdate(math.ceil(stat.st_mtime), usegmt=True)
        start, asked = 0, request.headers.get("If-Range")
        ranged = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if ranged and self.has_ranges and asked in (None, etag, modified):
            start = int(ranged[1])
            if start >= len(data):
                raise web.HTTPRequestRangeNotSatisfiable
        headers = {"Content-Length": str(len(data) - start), "Last-Modified": modified}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        if self.has_etag:
            headers["ETag"] = etag
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        await response.prepare(request)
        if request.method == "GET":
            await self._body(request, response, Served(name, start, 0, asked), data[start:])
        return response

    async def _body(self, request: web.Request, response: web.StreamResponse, served: Served, data: bytes) -> None:
        self.served.append(served)
        stall, cuts = self.stalls.pop(served.name, None), self.cuts.get(served.name, [])
        cut = cuts.pop(0) if cuts else None
        served.count = min(len(data), *(at for at in (stall, cut) if at is not None), len(data))
        await response.write(data[: served.count])
        if stall is not None:
            await asyncio.to_thread(self.release.wait, 60)
        if (stall is not None or cut is not None) and request.transport is not None:
            request.transport.close()  # what was written still arrives
            return
        await response.write_eof()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        application = web.Application()
        application.router.add_route("*", "/data/{name:.*}", self._answer)
        runner = web.AppRunner(application, shutdown_timeout=1)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.address = f"http://127.0.0.1:{runner.addresses[0][1]}/data"
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()
