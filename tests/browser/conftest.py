"""A live Airflow with a data set to review, and a browser."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live_review import ADMIN, BUILD, CHOSEN, VIEWER, Review, await_dag, caused, finished, lacking, open_review

from mushroom_tasks.local import stack
from mushroom_tasks.sample.bucket import write_bucket
from mushroom_tasks.settings import load_settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def chromium() -> str:
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        lacking(f"no browser: none of {', '.join(_BROWSERS)} is installed (Debian: apt-get install chromium)")
    return found


# For all modules here, and gone before other tests start services of their own.
@pytest.fixture(scope="package")
def review(chromium: str) -> Iterator[Review]:
    """All services up; the data of the sample loaded, and a data set built by Airflow."""
    # Not below pytest's own folder, which is closed to others: as root, PostgreSQL is another.
    with tempfile.TemporaryDirectory(prefix="mushroom-", dir="/tmp") as name, pytest.MonkeyPatch.context() as patch:
        Path(name).chmod(0o755)
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", f"{VIEWER}:viewer")
        settings = load_settings({"home": Path(name) / "home", **CHOSEN})
        write_bucket(settings.home / "sample", species=5, photos_per_species=30)
        try:
            services = stack.up(settings, sample=True)
            with services.airflow_api() as api:
                for dag in ("inat_ingest", BUILD):
                    await_dag(api, dag)
                    api.unpause(dag)
                ingest = finished(api, api.trigger("inat_ingest"))
                finished(api, caused(api, ingest))
            yield Review(settings, services)
        finally:
            stack.down(settings)


# Not of the session: as long as Playwright runs, no other test of this process could run an event loop.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(30_000)
    yield context
    context.close()


class Watched:
    """A page of Airflow that notes what it should not do: requests to elsewhere, errors, refused scripts."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("request", lambda request: self._request(request.url, address))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self._console(message.text))

    def _request(self, url: str, address: str) -> None:
        if not url.startswith((f"{address}/", "data:", "blob:")):
            self.complaints.append(f"request to {url}")

    def _console(self, text: str) -> None:
        if "Content Security Policy" in text or "TrustedHTML" in text:
            self.complaints.append(text)


@pytest.fixture
def page(context: BrowserContext, review: Review) -> Iterator[Page]:
    context.add_cookies([{"name": "_token", "value": review.token(ADMIN), "url": review.address}])
    page = context.new_page()
    watched = Watched(page, review.address)
    page.goto(review.address)
    yield page
    assert watched.complaints == []


@pytest.fixture
def frame(page: Page) -> FrameLocator:
    return open_review(page)
