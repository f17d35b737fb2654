"""A web server of made-up photos that is no bottleneck: one process, one loop over epoll, bodies sent by the kernel.

It answers `GET /photos/<id>/<any>.jpg` with keep-alive, and `GET /counts` with what it has done so far. With `faults`
a share of the requests goes wrong, a quarter of them each as 429, 503, a connection reset before the
first byte, and a body that breaks off in the middle; which ones depends on the photo and on how often it was asked
for, so that a second try may well get through.

    with photo_server(folder, faults=0.2) as server:     # a process of its own
        fetch(f"{server.address}/photos/17/medium.jpg")
        server.counts().whole[17]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import select
import socket
import struct
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from inputs.photos import Pack, open_photos
from inputs.serving import served

FAULTS = ("429", "503", "reset", "truncated")
_END = b"\r\n\r\n"
_SEND_BUFFER = 1 << 18  # bytes: a whole photo goes out in one call
_REFUSALS = {
    "429": b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n",
    "503": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    "404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
}


@dataclass(frozen=True)
class Counts:
    """What a server has done: seconds of the system's monotonic clock at the first request, requests, faults by kind.

    `whole` counts for each photo how often all its bytes were sent.
    """

    first: float | None
    requests: int
    faults: dict[str, int]
    whole: dict[int, int]


@dataclass(frozen=True)
class Running:
    """A server in a process of its own."""

    address: str

    def counts(self) -> Counts:
        """Ask what it has done so far."""
        with urllib.request.urlopen(f"{self.address}/counts") as answer:
            found = json.load(answer)
        whole = {int(photo_id): times for photo_id, times in found.pop("whole").items()}
        return Counts(**found, whole=whole)


@contextmanager
def photo_server(folder: Path, faults: float = 0.0) -> Iterator[Running]:
    """Serve the photos of a folder (see `inputs.photos`) on a free port of 127.0.0.1 until the block ends."""
    with served("photo_server", folder, "--faults", faults) as address:
        yield Running(address)


class _Connection:
    """One client: what it has asked, and what it is still to be sent."""

    def __init__(self, client: socket.socket) -> None:
        self.socket = client
        self.asked = b""
        self.head = b""
        self.body: tuple[int, int] | None = None  # offset and bytes left, in the file of photos
        self.photo_id: int | None = None  # counted once the body is out
        self.closes = False


class _Server:
    """The loop."""

    def __init__(self, pack: Pack, faults: float) -> None:
        self._pack, self._share = pack, faults
        self._file = os.open(pack.path, os.O_RDONLY)
        self._tries, self._whole, self._faults = Counter[int](), Counter[int](), Counter[str]()
        self._requests, self._first = 0, None
        self._connections: dict[int, _Connection] = {}
        self._poll = select.epoll()

    def run(self) -> None:
        """Listen, say the port, and answer for ever."""
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
            listener.setblocking(False)
            self._poll.register(listener, select.EPOLLIN)
            print(listener.getsockname()[1], flush=True)
            while True:
                for number, event in self._poll.poll():
                    if number == listener.fileno():
                        self._accept(listener)
                    else:
                        self._serve(self._connections[number], event)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(BlockingIOError):
            while True:
                client, _ = listener.accept()
                client.setblocking(False)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
                self._connections[client.fileno()] = _Connection(client)
                self._poll.register(client, select.EPOLLIN)

    def _serve(self, connection: _Connection, event: int) -> None:
        try:
            if event & ~(select.EPOLLIN | select.EPOLLOUT):
                raise ConnectionResetError
            if event & select.EPOLLIN:
                self._read(connection)
            self._write(connection)
        except BlockingIOError:
            self._poll.modify(connection.socket, select.EPOLLOUT)
        except OSError:
            self._close(connection)

    def _read(self, connection: _Connection) -> None:
        asked = connection.socket.recv(1 << 16)
        if not asked:
            raise ConnectionResetError
        connection.asked += asked
        request, end, rest = connection.asked.partition(_END)
        if end:
            connection.asked = rest
            self._answer(connection, request)

    def _answer(self, connection: _Connection, request: bytes) -> None:
        path = request.split(b" ", 2)[1].split(b"/")
        connection.closes = b"connection: close" in request.lower()
        if path[1] == b"counts":
            connection.head = self._counts()
            return
        self._first = self._first or time.monotonic()
        self._requests += 1
        try:
            photo_id = int(path[2])
            offset, length = self._pack.place(photo_id)
        except (IndexError, ValueError, KeyError):
            connection.head = _REFUSALS["404"]
            return
        fault = self._fault(photo_id)
        if fault == "reset":
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise ConnectionResetError
        if fault in _REFUSALS:
            connection.head = _REFUSALS[fault]
            return
        connection.head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % length
        connection.body = offset, length // 2 if fault else length
        connection.closes = connection.closes or bool(fault)
        connection.photo_id = None if fault else photo_id

    def _fault(self, photo_id: int) -> str:
        """Return what goes wrong with this request, or nothing."""
        self._tries[photo_id] += 1
        if not self._share:
            return ""
        drawn = hashlib.sha256(f"{photo_id} {self._tries[photo_id]}".encode()).digest()
        if int.from_bytes(drawn[:4], "big") >= self._share * 2**32:
            return ""
        fault = FAULTS[drawn[4] % len(FAULTS)]
        self._faults[fault] += 1
        return fault

    def _counts(self) -> bytes:
        found = {"first": self._first, "requests": self._requests, "faults": self._faults, "whole": self._whole}
        body = json.dumps(found).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    def _write(self, connection: _Connection) -> None:
        """Send what can be sent; BlockingIOError where the rest has to wait."""
        while connection.head:
            flag = socket.MSG_MORE if connection.body else 0
            connection.head = connection.head[connection.socket.send(connection.head, flag) :]
        while connection.body:
            offset, left = connection.body
            sent = os.sendfile(connection.socket.fileno(), self._file, offset, left)
            connection.body = (offset + sent, left - sent) if sent < left else None
        if connection.photo_id is not None:
            self._whole[connection.photo_id] += 1
            connection.photo_id = None
        if connection.closes:
            raise ConnectionResetError
        self._poll.modify(connection.socket, select.EPOLLIN)

    def _close(self, connection: _Connection) -> None:
        self._connections.pop(connection.socket.fileno(), None)
        connection.socket.close()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--faults", type=float, default=0.0)
    given = parser.parse_args()
    _Server(open_photos(given.folder), given.faults).run()


if __name__ == "__main__":
    main()
