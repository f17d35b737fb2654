"""Downloads photos 1 to N of a bucket as the shortest aiohttp program does: bodies into files, nothing checked."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp


async def worker(session: aiohttp.ClientSession, address: str, photo_ids: Iterator[int], folder: Path) -> None:
    """Fetch one photo after the other."""
    for photo_id in photo_ids:
        async with session.get(f"{address}/photos/{photo_id}/medium.jpg") as response:
            response.raise_for_status()
            body = await response.read()
        # Blocks the loop for a moment; handing it to a thread takes longer.
        (folder / f"{photo_id}.jpg").write_bytes(body)


async def fetch_all(address: str, photos: int, folder: Path, connections: int) -> None:
    """Fetch all with so many workers, a connection each."""
    photo_ids = iter(range(1, photos + 1))
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(worker(session, address, photo_ids, folder))


def main() -> None:
    """Download."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("photos", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--connections", type=int, required=True)
    given = parser.parse_args()
    given.folder.mkdir(parents=True)
    asyncio.run(fetch_all(given.address, given.photos, given.folder, given.connections))
    print(json.dumps({"ended": time.monotonic()}))


if __name__ == "__main__":
    main()
