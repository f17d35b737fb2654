"""Ports of the local services: a preferred one each, a free one where that is taken, the same one next time.

The choice is kept in `home/services.json`, so bookmarks stay valid as long as nobody else takes the port.

    ports = allocate(home / "services.json", {"airflow": 8080, "mlflow": 5000}, running=set())
"""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from mushroom_tasks.errors import ServiceError

HOST = "127.0.0.1"  # every service listens here only
_NEIGHBOURS = 50  # ports tried above the preferred one


def is_free(port: int) -> bool:
    """Tell whether a server could listen on `port` of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections that linger after a restart do not count, a listener does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise ServiceError(f"no server can listen on {HOST}:{port}: {error}") from error
    return True


def choose(preferred: int, taken: Collection[int] = ()) -> int:
    """Return `preferred` or the next free port above it that is not in `taken`.

    Raises ServiceError where 50 ports in a row are in use.
    """
    for port in range(preferred, min(preferred + _NEIGHBOURS, 65_536)):
        if port not in taken and is_free(port):
            return port
    raise ServiceError(
        f"no free port from {preferred} to {preferred + _NEIGHBOURS - 1} on {HOST}. Stop a service that holds one."
    )


def recall(path: Path) -> dict[str, int]:
    """Return the ports kept in `path`, by service; nothing where the file is missing or damaged."""
    with suppress(OSError, ValueError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(kept, dict):
            return {str(name): port for name, port in kept.items() if isinstance(port, int) and 0 < port < 65_536}
    return {}


def allocate(path: Path, preferred: Mapping[str, int], running: Collection[str]) -> dict[str, int]:
    """Return a port for each service of `preferred`, and keep the choice in `path`.

    A service in `running` keeps its port; another one gets its last port where that is free, else its preferred
    port, else the next free one.
    """
    kept = recall(path)
    ports = {name: kept[name] for name in preferred if name in running and name in kept}
    for name, first in preferred.items():
        if name in ports:
            continue
        last, taken = kept.get(name, first), set(ports.values())
        ports[name] = last if last not in taken and is_free(last) else choose(first, taken)
    if {**kept, **ports} != kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".part")
        temporary.write_text(json.dumps({**kept, **ports}, indent=2) + "\n", encoding="utf-8")
        temporary.replace(path)
    return ports
