"""Ports of the local services."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from mushroom_tasks.errors import ServiceError
from mushroom_tasks.local import ports


def _listen(address: str = "127.0.0.1") -> socket.socket:
    server = socket.create_server((address, 0))
    server.listen()
    return server


def _port_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_is_free__sees_listeners_on_loopback_and_on_all_interfaces(address: str) -> None:
    with _listen(address) as server:
        taken = _port_of(server)
        assert not ports.is_free(taken)
    assert ports.is_free(taken)


def test_choose__takes_the_preferred_port_when_free() -> None:
    with _listen() as server:
        free = _port_of(server)
    assert ports.choose(free) == free


def test_choose__passes_over_listeners_and_ports_of_other_services() -> None:
    with _listen() as server:
        taken = _port_of(server)
        chosen = ports.choose(taken, {taken + 1})
    assert chosen > taken + 1


def test_choose__says_when_nothing_is_free() -> None:
    with pytest.raises(ServiceError, match="no free port from 65535"), _listen() as server:
        ports.choose(65_535, {65_535, _port_of(server)})


def test_allocate__remembers_its_choice(tmp_path: Path) -> None:
    path = tmp_path / "home" / "services.json"
    with _listen() as server:
        first = ports.allocate(path, {"airflow": _port_of(server)}, running=())
    assert ports.recall(path) == first
    # The preferred port is free again by now; the remembered one is kept all the same.
    assert ports.allocate(path, {"airflow": first["airflow"] - 1}, running=()) == first


def test_allocate__replaces_a_remembered_port_that_somebody_took(tmp_path: Path) -> None:
    path = tmp_path / "services.json"
    with _listen() as server:
        path.write_text(json.dumps({"airflow": _port_of(server)}))
        chosen = ports.allocate(path, {"airflow": _port_of(server)}, running=())
        assert chosen["airflow"] != _port_of(server)


def test_allocate__keeps_the_port_of_a_running_service(tmp_path: Path) -> None:
    path = tmp_path / "services.json"
    with _listen() as server:
        path.write_text(json.dumps({"airflow": _port_of(server)}))
        assert ports.allocate(path, {"airflow": 8080}, running={"airflow"}) == {"airflow": _port_of(server)}


def test_allocate__gives_two_services_two_ports(tmp_path: Path) -> None:
    with _listen() as server:
        free = _port_of(server)
    chosen = ports.allocate(tmp_path / "services.json", {"airflow": free, "mlflow": free}, running=())
    assert len(set(chosen.values())) == 2


def test_allocate__keeps_ports_of_services_it_was_not_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "services.json"
    path.write_text('{"sample": 8090}')
    ports.allocate(path, {"airflow": 8080}, running=())
    assert ports.recall(path)["sample"] == 8090


@pytest.mark.parametrize("content", ["", "{", "[]", '{"airflow": "x"}', '{"airflow": 70000}'])
def test_recall__takes_a_damaged_file_for_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "services.json"
    path.write_text(content)
    assert ports.recall(path) == {}
