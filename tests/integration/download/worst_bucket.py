"""A bucket on 127.0.0.1 that answers as the worst of buckets does, and the photos it serves."""

from __future__ import annotations

import asyncio
import io
import random
import struct
import threading
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from aiohttp import web
from PIL import Image

from mushroom_tasks.photos.download import download
from mushroom_tasks.settings import DownloadSettings
from mushroom_tasks.storage import Store

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def encode(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def photo(seed: int = 0, kind: str = "JPEG", **options: object) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    return encode(Image.fromarray(pixels), kind, **options)


def bomb() -> bytes:
    """A whole PNG of 20,000 x 20,000 black pixels in some 50 kB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress(bytes(20_000 * 2501))
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def body(data: bytes, status: int = 200, **headers: str) -> Answer:
    """Answer with a body whose length is declared."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(
            body=data, status=status, headers={name.replace("_", "-"): v for name, v in headers.items()}
        )

    return answer


def cut(data: bytes, declared: int | None) -> Answer:
    """Send some bytes and hang up."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={} if declared is None else {"Content-Length": str(declared)})
        await response.prepare(request)
        await response.write(data)
        await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.abort()
        return response

    return answer


def hang_up(request: web.Request) -> Awaitable[web.StreamResponse]:
    """Hang up without a word."""
    assert request.transport is not None
    request.transport.abort()
    return asyncio.sleep(0, web.Response())


def endless(sent: list[int], declared: int | None = None) -> Answer:
    """Send zeros for as long as the other side listens, or until 50 MB."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={} if declared is None else {"Content-Length": str(declared)})
        await response.prepare(request)
        for _ in range(500):
            await response.write(bytes(100_000))
            sent.append(100_000)
        return response

    return answer


def slow(data: bytes, seconds: float) -> Answer:
    """Answer after a while."""

    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(seconds)
        return web.Response(body=data)

    return answer


def unreliable(data: bytes, share: float, whole: Counter[int]) -> Answer:
    """Answer this share of the requests with 429, 503, a reset or a body that is cut; count the others in `whole`.

    Which ones depends on the photo and on how often it was asked for.
    """
    tries = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal tries
        tries += 1
        photo_id = int(request.match_info["photo_id"])
        drawn = random.Random(photo_id * 1000 + tries)
        if drawn.random() >= share:
            response = await body(data)(request)
            whole[photo_id] += 1
            return response
        retry_after = {"Retry_After": "1"} if drawn.random() < 0.05 else {}
        faults = [body(b"", 429, **retry_after), body(b"", 503), hang_up, cut(data[:200], len(data))]
        return await drawn.choice(faults)(request)

    return answer


class Bucket:
    """A web server in a thread, whose answer to each photo is set by the test."""

    def __init__(self) -> None:
        self.answers: dict[int, list[Answer]] = {}
        self.requests: dict[int, list[float]] = defaultdict(list)
        self.headers: dict[str, str] = {}
        self.paths: list[str] = []
        self.running = self.peak = 0
        self.address = ""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def serve(self, photo_id: int, *answers: Answer) -> None:
        """Give these answers to the requests for a photo, the last one for ever."""
        self.answers[photo_id] = list(answers)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = self._loop.run_until_complete(self._serve())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _serve(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/photos/{photo_id}/{name}", self._answer)
        app.router.add_get("/else/{name}", body(photo()))
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        photo_id = int(request.match_info["photo_id"])
        self.requests[photo_id].append(time.monotonic())
        self.headers, self.paths = dict(request.headers), [*self.paths, request.path]
        answers = self.answers[photo_id]
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            return await answers[min(len(self.requests[photo_id]), len(answers)) - 1](request)
        finally:
            self.running -= 1


@contextmanager
def running_bucket() -> Iterator[Bucket]:
    """A bucket that answers nothing yet."""
    bucket = Bucket()
    bucket.start()
    yield bucket
    bucket.stop()


SETTINGS = DownloadSettings(connections=8, retries=2, timeout=5, max_bytes=1_000_000)


def rows(*photo_ids: int, extension: str = "jpg") -> pa.Table:
    return pa.table({"photo_id": pa.array(photo_ids, pa.int64()), "extension": [extension] * len(photo_ids)})


def download_one(bucket: Bucket, store: Store, *answers: Answer, **changed: Any) -> dict[str, Any]:
    """Download photo 7, which is answered like this; return its row."""
    bucket.serve(7, *answers)
    settings = SETTINGS.model_copy(update=changed)
    return download(rows(7), bucket.address, store, settings).to_pylist()[0]
