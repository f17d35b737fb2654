"""Asks for photos 1 to N of a bucket and throws the bytes away: how fast the server itself is."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import uvloop

CONNECTIONS = 32


async def worker(host: str, port: int, photo_ids: Iterator[int]) -> None:
    """Ask for one photo after the other on one connection, reading no more of the answer than its length."""
    reader, writer = await asyncio.open_connection(host, port)
    for photo_id in photo_ids:
        writer.write(b"GET /photos/%d/medium.jpg HTTP/1.1\r\nHost: %s\r\n\r\n" % (photo_id, host.encode()))
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.rpartition(b"Content-Length:")[2].split()[0]))
    writer.close()


async def ask_all(host: str, port: int, photos: int) -> float:
    """Return photos/s over so many photos."""
    photo_ids = iter(range(1, photos + 1))
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(worker(host, port, photo_ids))
    return photos / (time.perf_counter() - start)


def main() -> None:
    """Ask, and say how fast it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("photos", type=int)
    given = parser.parse_args()
    address = urlsplit(given.address)
    assert address.hostname is not None
    assert address.port is not None
    print(json.dumps({"rate": uvloop.run(ask_all(address.hostname, address.port, given.photos))}))


if __name__ == "__main__":
    main()
