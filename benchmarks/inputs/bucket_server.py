"""A whole bucket over HTTP in a process of its own: metadata from a folder, and a made-up photo for whatever id.

The metadata is served as the sample bucket's server does, with validators and ranges. Every request for a photo is
counted.

    with bucket_server(bucket, photos) as server:
        stages.snapshot(load_settings({"source": server.address, ...}))
        server.requests()                                # {photo_id: times it was asked for}
"""

from __future__ import annotations

import json
import socket
import sys
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from inputs.photos import open_photos
from inputs.serving import served

from mushroom_tasks.sample.server import application


@dataclass(frozen=True)
class Running:
    """A server in a process of its own."""

    address: str

    def requests(self) -> dict[int, int]:
        """Return how often each photo was asked for so far."""
        with urllib.request.urlopen(f"{self.address}/counts") as answer:
            return {int(photo_id): times for photo_id, times in json.load(answer).items()}


@contextmanager
def bucket_server(bucket: Path, photos: Path) -> Iterator[Running]:
    """Serve a folder's metadata and photos made up for every id (see `inputs.photos`) until the block ends."""
    with served("bucket_server", bucket, photos) as address:
        yield Running(address)


def counting(bucket: Path, photos: Path) -> web.Application:
    """Return the application."""
    pack, asked = open_photos(photos), Counter[int]()

    @web.middleware
    async def answer(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path == "/counts":
            return web.json_response(asked)
        if not request.path.startswith("/photos/"):
            return await handler(request)
        photo_id = int(request.path.split("/")[2])
        asked[photo_id] += 1
        return web.Response(body=pack.read(photo_id % len(pack.ids) + 1), content_type="image/jpeg")

    app = application(bucket)
    app.middlewares.append(answer)
    return app


def main() -> None:
    """Serve until killed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        web.run_app(counting(Path(sys.argv[1]), Path(sys.argv[2])), sock=listener, print=None, access_log=None)


if __name__ == "__main__":
    main()
