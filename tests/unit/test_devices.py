"""What the machine offers to learn on."""

from __future__ import annotations

from mushroom_tasks.learning.devices import devices


def test_devices__reports_the_cpu_and_its_memory() -> None:
    cpu = devices()[0]
    assert cpu.kind == "CPU"
    assert 0 < cpu.free_bytes <= cpu.total_bytes
    assert cpu.holders == ()
