"""Who may what, at a live Airflow."""

from __future__ import annotations

import json
import re

from browsing import MARKS, BrowserContext, expect, said
from live_review import ADMIN, VIEWER, Review, open_review, sign_in, verdicts

pytestmark = MARKS


def test_viewer__looks_but_does_not_decide(context: BrowserContext, review: Review) -> None:
    page = sign_in(context, review, VIEWER)
    frame = open_review(page)
    before = verdicts(review)

    expect(frame.locator("#only-look")).to_contain_text("permission to edit dataset_build")
    for name in ("Keep", "Prune", "Rebuild", "Undo"):
        button = frame.get_by_role("button", name=name).first
        expect(button).to_have_attribute("aria-disabled", "true")
        expect(button).to_have_attribute("title", re.compile("permission to edit dataset_build"))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("p")
    said(frame, "permission to edit dataset_build")
    assert verdicts(review) == before


def test_viewer__is_refused_by_the_server_too(review: Review) -> None:
    with review.client(VIEWER) as client:
        (found, *_) = client.get("api/start").json()["sets"]
        (item, *_) = client.get(f"api/sets/{found['fingerprint']}/items").json()["items"]
        photos = [[item["photo_id"], item["taxon_id"]]]
        body = {"fingerprint": found["fingerprint"], "verdict": "prune", "photos": photos}
        answer = client.post("api/decisions", json=body, headers={"X-Mushroom-Review": "1"})

    assert answer.status_code == 403
    assert verdicts(review)[item["photo_id"]] is None


def test_anonymous__gets_nothing(context: BrowserContext, review: Review) -> None:
    (fingerprint,) = {found["fingerprint"] for found in review.sets()}
    photo = next(iter(verdicts(review)))
    with review.client(None) as client:
        for path in (
            "api/start",
            f"api/sets/{fingerprint}/items",
            f"pictures/{fingerprint}/{photo}/grid.jpg",
            "menu.svg",
        ):
            answer = client.get(path)
            assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})
        forged = client.get("api/start", headers={"Authorization": "Bearer nonsense"})
        assert forged.status_code in (401, 403)

    page = context.new_page()
    page.goto(f"{review.address}/mushroom-review/?set={fingerprint}")
    expect(page.locator("input[name=password]")).to_be_visible()
    assert "mushroom-review" in page.url


def test_another_site__cannot_decide_with_a_persons_cookie(review: Review) -> None:
    with review.client(ADMIN) as client:
        for headers in ({}, {"X-Mushroom-Review": "1", "Origin": "https://elsewhere.example"}):
            body = json.dumps({"fingerprint": "x", "verdict": "keep", "photos": [[1, 1]]})
            answer = client.post("api/decisions", content=body, headers={"Content-Type": "application/json", **headers})
            assert answer.status_code == 403
