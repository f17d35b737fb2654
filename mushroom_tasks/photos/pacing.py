"""How fast one host is asked, and when it is left alone.

A `Host` stands before every request to a source. It spreads requests to a rate, keeps everybody waiting for as long
as a Retry-After says, and is a circuit breaker: a host that refuses (429, 503) whatever it is asked is left alone,
then asked for one photo at a time until it answers again. One that does so for longer than is bearable ends the run.

    host = Host("https://inaturalist-open-data.s3.amazonaws.com", rate=200, max_outage=300, patience=64)
    probing = await host.admit()
    ...                             # one request
    host.answered(probing)          # or host.refused(probing, retry_after) or host.silent(probing)
"""

from __future__ import annotations

import asyncio
import logging
import time

from mushroom_tasks.backoff import growing_pause
from mushroom_tasks.errors import SourceUnreachable

logger = logging.getLogger(__name__)

FIRST_PAUSE = 0.5  # seconds before a second try; doubles with every further one
LONGEST_PAUSE = 60.0  # seconds between two tries, unless the host asks for more
_LONGEST_PROBE_PAUSE = 10.0  # one request in so many seconds is no burden, and notices soon that a host is back
_BURST = 0.05  # seconds' worth of requests that may come at once: a late wake-up then costs no rate


def pause(tries: int) -> float:
    """Return the seconds to wait after so many tries of one photo, or so many probes of a host."""
    return growing_pause(tries, FIRST_PAUSE, LONGEST_PAUSE)


class RateLimit:
    """A token bucket, first come first served.

    Parameters
    ----------
    rate
        Requests a second; 0 sets no limit.
    """

    def __init__(self, rate: float) -> None:
        self._interval = 1 / rate if rate else 0.0
        self._burst = max(_BURST, self._interval)
        self._next = 0.0  # time.monotonic() at which the next request is due

    async def wait(self) -> None:
        """Wait for one's turn."""
        if not self._interval:
            return
        now = time.monotonic()
        # Taken at once, in the order of the calls: nobody who comes later can be served first.
        turn = max(self._next, now - self._burst + self._interval)
        self._next = turn + self._interval
        if turn > now:
            await asyncio.sleep(turn - now)


class Host:
    """The state of one host, shared by all connections to it.

    Parameters
    ----------
    address
        For messages.
    rate
        Requests a second; 0 sets no limit.
    max_outage
        Seconds that it may refuse everything, and the most that a Retry-After is obeyed.
    patience
        Refusals in a row, over all connections, that open the breaker.
    """

    def __init__(self, address: str, *, rate: float, max_outage: float, patience: int) -> None:
        self._address, self._max_outage, self._patience = address, max_outage, patience
        self._limit = RateLimit(rate)
        self._refusals = 0  # in a row
        self._probes = 0  # refused since the breaker opened
        self._is_open = False
        self._resume = 0.0  # time.monotonic() before which nobody asks
        self._refused_since = 0.0  # time.monotonic() of the first of the refusals in a row
        # Held by who probes. It is fair: a photo that is refused as a probe is the last to be one again.
        self._turn = asyncio.Lock()

    async def admit(self) -> bool:
        """Wait until a request may be sent; True where it is the only one, to see whether the host is back.

        The caller reports its outcome, whatever that is.
        """
        if self._is_open:
            await self._turn.acquire()
            try:
                await self._end_of_pause()
            except BaseException:
                self._turn.release()
                raise
            if self._is_open:
                return True
            self._turn.release()
        await self._limit.wait()
        return False

    def answered(self, probing: bool) -> None:
        """Report an answer that is no refusal: everybody may go on."""
        self._refusals = 0
        # An answer to a request from before the breaker opened says nothing about now.
        if probing:
            logger.info("%s answers again, after %d probes that it refused", self._address, self._probes)
            self._is_open = False
            self._probes = 0
            self._turn.release()

    def refused(self, probing: bool, retry_after: float) -> None:
        """Report a 429 or 503, and the seconds it asked to be left alone for (0 where it did not say).

        Raises SourceUnreachable where it has refused everything for too long.
        """
        if self._refusals == 0:
            self._refused_since = time.monotonic()
        self._refusals += 1
        if probing:
            self._probes += 1
            self._turn.release()
            self._require_patience()
            self._rest(max(retry_after, min(pause(self._probes), _LONGEST_PROBE_PAUSE)))
        elif retry_after > 0:
            self._open(f"it asked to be left alone for {retry_after:.0f} s", retry_after)
        elif self._refusals >= self._patience:
            self._open(f"it refused {self._refusals} requests in a row", pause(1))

    def silent(self, probing: bool) -> None:
        """Report a request that got no answer, or was given up: another one may probe."""
        if probing:
            self._turn.release()

    async def _end_of_pause(self) -> None:
        # A request from before may be refused yet, and move the end further away.
        while self._is_open and (left := self._resume - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left)

    def _open(self, reason: str, seconds: float) -> None:
        if not self._is_open:
            self._is_open = True
            logger.warning("%s is left alone: %s", self._address, reason)
        self._rest(seconds)

    def _rest(self, seconds: float) -> None:
        self._resume = max(self._resume, time.monotonic() + min(seconds, self._max_outage))

    def _require_patience(self) -> None:
        outage = time.monotonic() - self._refused_since
        if outage > self._max_outage:
            raise SourceUnreachable(
                f"{self._address} has refused everything (HTTP 429 or 503) for {outage:.0f} s, more than "
                f"download.max_outage allows ({self._max_outage:g} s). Run this again later, with fewer "
                "download.connections or a download.max_rate: photos that are in the store are kept."
            )
