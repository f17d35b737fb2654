"""Threads that do what would block an event loop, for jobs so short that the way to them counts.

An executor's futures cost more than the check of a small photo: each has a lock, and each wakes the loop. Here a
result goes back through a queue, and one wake-up fetches all results that are in it.

    async with Workers(2) as workers:
        row = await workers.run(check, data)
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_Job = tuple["asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class Workers:
    """So many threads, for the event loop that enters it. Leaving waits for the jobs that have begun."""

    def __init__(self, count: int) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._done: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._is_called = False
        self._threads = [Thread(target=self._work, name=f"photos-{n}", daemon=True) for n in range(count)]

    async def __aenter__(self) -> Workers:
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What nobody waits for any longer need not begin.
        while not self._jobs.empty():
            self._jobs.get()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the function returns, or raise what it raises."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((future, function, args, kwargs))
        return await future

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, function, args, kwargs = job
            try:
                self._done.append((future, function(*args, **kwargs), None))
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                self._done.append((future, None, error))
            del job, future, function, args, kwargs  # a waiting thread holds no photo
            if not self._is_called:
                self._is_called = True
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        # Before the queue is emptied: a result that comes after that calls again.
        self._is_called = False
        while self._done:
            future, result, error = self._done.popleft()
            if future.done():  # cancelled
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
