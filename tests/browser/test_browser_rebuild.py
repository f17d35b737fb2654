"""Build the data set again from the page, as people decided; answer the approval that a run waits for."""

from __future__ import annotations

import re
import time
from urllib.parse import quote

import httpx
from browsing import MARKS, BrowserContext, FrameLocator, Page, expect, said
from live_review import ADMIN, BUILD, Review, finished, open_review, photo_at, sign_in

from mushroom_tasks.curation.dataset.publish import list_datasets
from mushroom_tasks.manifests import PRUNED, read_manifest
from mushroom_tasks.storage import Store

pytestmark = MARKS


def test_rebuild__the_new_data_set_obeys(review: Review, frame: FrameLocator, page: Page) -> None:
    store = Store(review.settings.store)
    old = list_datasets(store)[0].fingerprint
    frame.get_by_role("radio", name="Pruned").check()
    expect(frame.locator(".card .flag").first).to_have_text("Pruned")
    kept = photo_at(frame, 0)
    frame.locator(".card .tick").first.focus()
    page.keyboard.press("k")
    said(frame, "Keep: 1 photo")
    frame.get_by_role("radio", name="Kept").check()
    expect(frame.locator(".card .flag").first).to_have_text("Kept")
    pruned = photo_at(frame, 0)
    frame.locator(".card .tick").first.focus()
    page.keyboard.press("p")
    said(frame, "Prune: 1 photo")
    # What the rules kept is not among the photos to decide: neither at the top nor in the list of species.
    expect(frame.locator("#progress-text")).to_have_text(re.compile("^1 of "))
    expect(frame.locator("#species-list .counts").first).to_contain_text("1 decided")

    frame.get_by_role("button", name="Rebuild").click()
    frame.locator("#rebuild-start").click()
    link = frame.locator("#rebuild-run a")
    expect(link).to_have_attribute("href", re.compile(f"dags/{BUILD}/runs/manual__"))
    with review.services.airflow_api() as api:
        finished(api, api.runs(BUILD)[0])

    new = list_datasets(store)[0].fingerprint
    assert new != old
    rows = {row["photo_id"]: row for row in read_manifest(store, f"datasets/{new}/pruned.parquet", PRUNED).to_pylist()}
    assert (rows[kept]["decision"], rows[kept]["is_outlier"]) == ("keep", False)
    assert (rows[pruned]["decision"], rows[pruned]["is_outlier"]) == ("prune", True)
    expect(frame.locator("#rebuild-run")).to_contain_text("success", timeout=30_000)
    link.click()
    expect(page).to_have_url(re.compile(f"/dags/{BUILD}/runs/manual__"))


def test_approval__that_a_run_waits_for_is_shown_and_linked(context: BrowserContext, review: Review) -> None:
    conf = {"again": True, "review.wait_for_approval": True}
    with httpx.Client(base_url=review.address, headers={"Authorization": f"Bearer {review.token(ADMIN)}"}) as client:
        path = f"/api/v2/dags/{BUILD}/dagRuns"
        run = client.post(path, json={"logical_date": None, "conf": conf}).raise_for_status().json()["dag_run_id"]
        pending = f"{path}/{quote(run, safe='')}/hitlDetails?response_received=false"
        deadline = time.monotonic() + 600
        while not client.get(pending).json()["total_entries"]:
            assert time.monotonic() < deadline, "the run asks for no approval"
            time.sleep(2)

    page = sign_in(context, review, ADMIN)
    frame = open_review(page)
    notice = frame.locator("#approvals")
    expect(notice).to_contain_text("Publish this data set?")
    frame.get_by_role("button", name="Rebuild").click()
    expect(frame.locator("#rebuild-waits")).to_contain_text("runs one at a time")
    expect(frame.locator("#rebuild-waits a")).to_have_attribute("href", re.compile("/tasks/approve/required_actions"))
    page.keyboard.press("Escape")
    notice.get_by_role("link", name="Answer").click()

    expect(page).to_have_url(re.compile(f"/dags/{BUILD}/runs/.*/tasks/approve/required_actions"))
    expect(page.get_by_text("Publish this data set?").first).to_be_visible()
