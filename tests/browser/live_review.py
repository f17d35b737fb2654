"""A live Airflow with a data set to review, and how a person gets to the page."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import httpx
import pytest

from mushroom_tasks.local.airflow_api import AirflowApi, DagRun
from mushroom_tasks.local.services import Services
from mushroom_tasks.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, FrameLocator, Page


ADMIN = "admin"
BUILD = "dataset_build"
VIEWER = "vera"
# Small enough for a test, large enough for pruning to find something; the tenth that is least sharp counts as poor.
CHOSEN = {
    "selection": {"species_count": 4, "photos_per_species": 30, "min_photos_per_species": 10},
    "download": {"shards": 1},
    "quality": {"min_sharpness": 1.6},
}
_PATIENCE = 600.0  # seconds


@dataclass(frozen=True)
class Review:
    """The stack, with a data set that was built and waits to be reviewed."""

    settings: Settings
    services: Services

    @property
    def address(self) -> str:
        return self.services.airflow.address

    def password(self, user: str) -> str:
        kept = self.settings.home / "secrets" / "airflow_passwords.json"
        return str(json.loads(kept.read_text())[user])

    def token(self, user: str) -> str:
        login = {"username": user, "password": self.password(user)}
        answer = httpx.post(f"{self.address}/auth/token", json=login, timeout=60)
        return str(answer.raise_for_status().json()["access_token"])

    def client(self, user: str | None) -> httpx.Client:
        """A client of the page without a browser; anonymous where there is no user."""
        cookies = {} if user is None else {"_token": self.token(user)}
        return httpx.Client(base_url=f"{self.address}/mushroom-review/", cookies=cookies, timeout=60)

    def sets(self) -> list[dict[str, Any]]:
        """The data sets on the page, the newest first."""
        with self.client(ADMIN) as client:
            return list(client.get("api/start").json()["sets"])

    def items(self, **filters: str) -> list[dict[str, Any]]:
        """Photos of the newest data set."""
        address = f"api/sets/{self.sets()[0]['fingerprint']}/items"
        with self.client(ADMIN) as client:
            return list(client.get(address, params={"show": "all", "limit": 200, **filters}).json()["items"])


def lacking(why: str) -> NoReturn:
    """Skip what needs a browser; fail where MUSHROOM_NEEDS_BROWSER says that there has to be one."""
    if os.environ.get("MUSHROOM_NEEDS_BROWSER"):
        pytest.fail(why, pytrace=False)
    pytest.skip(why, allow_module_level=True)


def verdicts(review: Review) -> dict[int, str | None]:
    return {item["photo_id"]: item["verdict"] for item in review.items()}


def photo_at(frame: FrameLocator, index: int) -> int:
    return int(str(frame.locator(".card").nth(index).get_attribute("data-key")).partition("-")[0])


def sign_in(context: BrowserContext, review: Review, user: str) -> Page:
    """Sign in through Airflow's own form."""
    page = context.new_page()
    page.goto(review.address)
    page.locator("input[name=username]").fill(user)
    page.locator("input[name=password]").fill(review.password(user))
    page.locator("button[type=submit]").click()
    page.get_by_test_id("nav-sidebar").wait_for()
    return page


def open_review(page: Page) -> FrameLocator:
    """Open the page from Airflow's menu."""
    page.get_by_test_id("nav-sidebar").get_by_text("Review", exact=True).click()
    frame = page.frame_locator("iframe[title='Review']")
    frame.locator("#grid .card, #empty:not([hidden])").first.wait_for()
    frame.locator("#photos:focus").wait_for()  # keys reach the page without a click into it
    return frame


def finished(api: AirflowApi, run: DagRun) -> DagRun:
    """Wait until a run has ended well."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        run = api.run(run)
        if not run.is_active:
            failed = [task.task_id for task in api.tasks(run) if task.state == "failed"]
            assert run.state == "success", f"{run.dag_id} {run.state}: {failed}"
            return run
        time.sleep(1)
    raise AssertionError(f"{run.dag_id} has not ended after {_PATIENCE:.0f} s: {run.state}")


def caused(api: AirflowApi, cause: DagRun) -> DagRun:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if found := api.run_caused_by(BUILD, cause):
            return found
        time.sleep(1)
    raise AssertionError(f"{cause.run_id} has set off no {BUILD}")


def await_dag(api: AirflowApi, dag: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not api.has_dag(dag):
        assert time.monotonic() < deadline, f"{dag} is not there: {api.import_errors()}"
        time.sleep(1)
