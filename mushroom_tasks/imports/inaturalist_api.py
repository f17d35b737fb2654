"""iNaturalist's public API, asked slowly: its rate limits kept, passing failures tried again.

    with open_api(settings.imports, cache) as api:
        api.get("taxa", {"q": "Amanita muscaria", "rank": "species"})["results"]

Needs pyinaturalist (extra `quickstart`), whose session counts requests in a small file in `cache`, so that programs
run one after the other, or side by side, keep the limits together: 60 a minute and 10,000 a day, as iNaturalist asks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mushroom_tasks import __version__
from mushroom_tasks.backoff import growing_pause, retry_after_seconds
from mushroom_tasks.errors import ImportFailed, SourceUnreachable
from mushroom_tasks.settings import ImportSettings

if TYPE_CHECKING:
    from pyinaturalist.session import ClientSession

logger = logging.getLogger(__name__)

FIRST_PAUSE = 1.0  # seconds before the second try; doubles with every further one
LONGEST_PAUSE = 120.0  # seconds; also the most that a Retry-After is obeyed
_PASSING = {408, 425, 429, 500, 502, 503, 504}
BURST = 5  # requests that may follow each other without a pause
_INSTALL = "The library pyinaturalist is missing: pip install 'mobile-mushroom-classifier[quickstart]'."


@contextmanager
def open_api(
    settings: ImportSettings, cache: Path, sleep: Callable[[float], None] = time.sleep
) -> Iterator[INaturalistApi]:
    """Open the API at `settings.api_url`; `cache` is a local folder for the count of requests."""
    try:
        from pyinaturalist.session import ClientSession
    except ImportError as error:
        raise ImportFailed(_INSTALL) from error
    cache.mkdir(parents=True, exist_ok=True)
    with ClientSession(
        # Pages are kept by us, with the data set they belong to; answers are not cached a second time.
        cache_file=cache / "unused.db",
        use_memory=True,
        per_second=settings.api_requests_per_minute / 60,
        per_minute=0,  # said by the line above
        per_day=settings.api_requests_per_day,
        burst=min(BURST, settings.api_requests_per_day - 1),
        limit_statuses=(),  # a 429 says itself how long to wait
        ratelimit_path=str(cache / "requests.db"),
        max_retries=0,
        user_agent=f"mobile-mushroom-classifier/{__version__}",
    ) as session:
        yield INaturalistApi(session, settings, sleep)


class INaturalistApi:
    """The two kinds of question that are asked: taxa, and observations."""

    def __init__(self, session: ClientSession, settings: ImportSettings, sleep: Callable[[float], None]) -> None:
        self._session, self._settings, self._sleep = session, settings, sleep

    def get(self, path: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to GET `<api_url>/<path>`: a mapping with a list `results`.

        Raises
        ------
        SourceUnreachable
            No answer, or none that is the API's, after `api_retries` further tries.
        ImportFailed
            The API refuses the request itself, or the day's requests are used up.
        """
        for tries in range(1, self._settings.api_retries + 2):
            try:
                return self._try(path, parameters)
            except _Passing as failure:
                if tries > self._settings.api_retries:
                    raise SourceUnreachable(
                        f"{self._settings.api_url} failed {tries} times, the last time with: {failure}. Run this again "
                        "later: the pages that were fetched are kept."
                    ) from failure
                pause = _pause(tries, failure.retry_after)
                logger.warning("%s/%s: %s; trying again in %.0f s", self._settings.api_url, path, failure, pause)
                self._sleep(pause)
        raise AssertionError("unreachable")

    def _try(self, path: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        import requests
        import urllib3
        from pyrate_limiter import BucketFullException

        try:
            response = self._session.request(
                "GET",
                f"{self._settings.api_url}/{path}",
                raise_for_status=False,
                expire_after=0,
                timeout=self._settings.api_timeout,
                **parameters,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            # The second comes from pyinaturalist itself, where an answer is no whole JSON.
            raise _Passing(f"{type(error).__name__}: {error}") from error
        except BucketFullException as error:
            raise ImportFailed(
                f"the day's requests to {self._settings.api_url} are used up ({self._settings.api_requests_per_day}). "
                "Run this again tomorrow: the pages that were fetched are kept."
            ) from error
        return self._answer(response)

    def _answer(self, response: Any) -> dict[str, Any]:
        status = f"HTTP {response.status_code} {response.reason or ''}".rstrip()
        if response.status_code in _PASSING:
            raise _Passing(status, retry_after_seconds(response.headers.get("Retry-After", "")))
        if response.status_code != 200:
            raise ImportFailed(f"{self._settings.api_url} refused {response.url}: {status}: {response.text[:200]!r}")
        try:
            answer = response.json()
        except ValueError as error:
            raise _Passing(f"the answer is no JSON: {response.text[:80]!r}") from error
        if not isinstance(answer, dict) or not isinstance(answer.get("results"), list):
            raise _Passing(f"the answer has no results: {response.text[:80]!r}")
        return answer


class _Passing(Exception):
    """One try failed in a way that the next may not."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def _pause(tries: int, retry_after: float) -> float:
    return min(max(growing_pause(tries, FIRST_PAUSE, LONGEST_PAUSE, jitter=0.2), retry_after), LONGEST_PAUSE)
