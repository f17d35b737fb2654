"""photos.pacing and photos.workers: fair, bounded, and never stuck."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from mushroom_tasks.photos import pacing
from mushroom_tasks.photos.pacing import Host, RateLimit
from mushroom_tasks.photos.workers import Workers


def test_rate_limit__serves_in_the_order_of_asking() -> None:
    served: list[int] = []

    async def ask(limit: RateLimit, number: int) -> None:
        await limit.wait()
        served.append(number)

    async def run() -> float:
        limit = RateLimit(100)
        start = time.monotonic()
        await asyncio.gather(*(ask(limit, number) for number in range(40)))
        return time.monotonic() - start

    assert asyncio.run(run()) >= 0.3
    assert served == list(range(40))


def test_rate_limit__saves_nothing_up_while_nobody_asks() -> None:
    async def run() -> float:
        limit = RateLimit(100)
        await limit.wait()
        await asyncio.sleep(0.5)
        start = time.monotonic()
        for _ in range(25):
            await limit.wait()
        return time.monotonic() - start

    assert asyncio.run(run()) >= 0.17, "25 requests at 100/s, but for a burst of 0.05 s"


def test_pause__grows_with_jitter_and_has_an_end() -> None:
    for tries in (1, 2, 3, 50):
        middle = min(pacing.FIRST_PAUSE * 2 ** (tries - 1), pacing.LONGEST_PAUSE)
        pauses = {pacing.pause(tries) for _ in range(50)}
        assert len(pauses) > 40
        assert middle * 0.5 <= min(pauses) <= max(pauses) <= middle * 1.5


def _host(**changed: float) -> Host:
    return Host("http://host", **{"rate": 0, "max_outage": 60, "patience": 2, **changed})  # type: ignore[arg-type]


def test_host__lets_one_probe_at_a_time_and_each_waiter_have_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "FIRST_PAUSE", 0.001)
    probed: list[int] = []

    async def work(host: Host, number: int) -> None:
        while await host.admit():
            probed.append(number)
            await asyncio.sleep(0.001)
            if len(probed) < 9:
                host.refused(True, 0)
            else:
                host.answered(True)
                return

    async def run() -> None:
        host = _host()
        host.refused(False, 0)
        assert not await host.admit(), "one refusal is none of the host's"
        host.refused(False, 0)
        await asyncio.gather(*(work(host, number) for number in range(4)))

    asyncio.run(run())
    assert probed == [0, 1, 2, 3, 0, 1, 2, 3, 0]


def test_host__goes_on_when_a_probe_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "FIRST_PAUSE", 0.001)

    async def run() -> None:
        host = _host(patience=1)
        host.refused(False, 0)
        assert await host.admit()
        waiting = asyncio.create_task(host.admit())
        cancelled = asyncio.create_task(host.admit())
        await asyncio.sleep(0.01)
        cancelled.cancel()
        host.silent(True)
        assert await asyncio.wait_for(waiting, 5)
        host.answered(True)
        assert not await asyncio.wait_for(host.admit(), 5)

    asyncio.run(run())


def test_workers__return_and_raise_what_their_jobs_do() -> None:
    def job(number: int) -> tuple[int, str]:
        if number % 10 == 3:
            raise ValueError(number)
        return number, threading.current_thread().name

    async def run() -> list[object]:
        async with Workers(3) as workers:
            return await asyncio.gather(*(workers.run(job, number) for number in range(500)), return_exceptions=True)

    results = asyncio.run(run())
    for number, result in enumerate(results):
        if number % 10 == 3:
            assert isinstance(result, ValueError)
        else:
            assert isinstance(result, tuple)
            assert result[0] == number
            assert result[1].startswith("photos-")


def test_workers__leave_no_thread_behind_when_their_user_fails() -> None:
    async def run() -> None:
        async with Workers(2) as workers:
            jobs = [asyncio.ensure_future(workers.run(time.sleep, 0.05)) for _ in range(20)]
            await asyncio.sleep(0.01)
            for job in jobs:
                job.cancel()
            raise RuntimeError

    start = time.monotonic()
    with pytest.raises(RuntimeError):
        asyncio.run(run())
    assert time.monotonic() - start < 0.8, "what had not begun is not done"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("photos-")]


def test_host__time_without_requests_is_no_outage() -> None:
    """Photos that are in the store are checked for minutes before the first request: that is no refusal."""

    async def run() -> None:
        host = _host(max_outage=0.05)
        await asyncio.sleep(0.1)
        host.refused(False, 0.001)
        assert await host.admit()
        host.refused(True, 0)  # does not raise: it has refused for a moment only

    asyncio.run(run())
