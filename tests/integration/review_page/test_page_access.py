"""Who may what: nobody without a login, readers look, editors decide, and no other site does it for them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from review_client import ANYTHING, BATCH, OURS, SET, signed_in
from sqlalchemy import Engine

from mushroom_tasks.curation import review

ADDRESSES = [
    ("GET", "/"),
    ("GET", "/api/start"),
    ("GET", f"/api/sets/{SET}"),
    ("GET", f"/api/sets/{SET}/species"),
    ("GET", f"/api/sets/{SET}/items"),
    ("GET", f"/api/sets/{SET}/photos/12/log"),
    ("GET", "/api/log"),
    ("GET", f"/pictures/{SET}/12/grid.jpg"),
    ("GET", "/menu.svg"),
    ("GET", "/static/0/main.js"),
    ("POST", "/api/decisions"),
    ("POST", "/api/undo"),
]


@pytest.mark.parametrize(("method", "address"), ADDRESSES)
def test_anonymous__gets_nothing(app: FastAPI, method: str, address: str) -> None:
    answer = TestClient(app, headers=OURS).request(method, address, json=ANYTHING if method == "POST" else None)
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Not authenticated"}


def test_anonymous__is_sent_from_the_page_to_airflows_login(app: FastAPI) -> None:
    outer = FastAPI(root_path="/airflow")
    outer.mount("/mushroom-review", app)
    asked = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    answer = TestClient(outer, headers=asked).get("/airflow/mushroom-review/?set=x&taxon=1", follow_redirects=False)

    assert answer.status_code == 307
    login, _, wanted = answer.headers["location"].partition("?next=")
    assert login == "/airflow/api/v2/auth/login"
    assert wanted == "%2Fairflow%2Fmushroom-review%2F%3Fset%3Dx%26taxon%3D1"
    assert answer.content == b""


def test_routes__all_are_known_to_the_test_of_anonymous_requests(app: FastAPI) -> None:
    tested = {re.sub(r"/(?:[0-9a-f]{16}|12|0|main\.js)(?=/|$)", "/*", path) for _, path in ADDRESSES}
    tested = {path.replace("grid.jpg", "*.jpg") for path in tested}
    assert {re.sub(r"\{\w+\}", "*", route.path) for route in app.routes} == tested  # type: ignore[attr-defined]


def test_viewer__sees_all_and_is_told_why_not_to_decide(viewer: TestClient) -> None:
    start = viewer.get("/api/start").json()

    assert (start["user"], start["may_decide"]) == ("ann", False)
    assert "permission to edit dataset_build" in start["only_look"]
    assert len(viewer.get(f"/api/sets/{SET}/items").json()["items"]) == 5


@pytest.mark.parametrize(("address", "body"), [("decisions", ANYTHING), ("undo", {"fingerprint": SET, "batch": BATCH})])
def test_viewer__may_not_decide(viewer: TestClient, engine: Engine, address: str, body: dict[str, Any]) -> None:
    answer = viewer.post(f"/api/{address}", json=body)

    assert answer.status_code == 403
    assert "permission to edit dataset_build" in answer.json()["detail"]
    assert review.decisions(engine).num_rows == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Mushroom-Review": ""},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_decide__refuses_what_another_site_could_have_sent(
    app: FastAPI, editor: TestClient, engine: Engine, headers: dict[str, str]
) -> None:
    if "X-Mushroom-Review" in headers:
        del editor.headers["X-Mushroom-Review"]
        headers = {}
    answer = editor.post("/api/decisions", json=ANYTHING, headers=headers)

    assert answer.status_code == 403
    assert review.decisions(engine).num_rows == 0


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_decide__takes_json_alone(editor: TestClient, engine: Engine, kind: str) -> None:
    answer = editor.post("/api/decisions", content=json.dumps(ANYTHING), headers={"Content-Type": kind})

    assert answer.status_code == 422
    assert review.decisions(engine).num_rows == 0


@pytest.mark.parametrize("chunked", [False, True])
def test_anonymous__sends_no_flood(app: FastAPI, chunked: bool) -> None:
    """A body is read before anybody is asked who sent it: none that is long, or does not say how long it is."""
    flood = b"[" * (1 << 20)
    client = TestClient(app, headers=OURS)
    answer = client.post("/api/decisions", content=iter([b"[]"]) if chunked else flood + b"[")

    assert answer.status_code == 413
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("address", ["/", "/api/start", "/nothing", f"/api/sets/{SET}/items?limit=0"])
@pytest.mark.parametrize("is_signed_in", [True, False])
def test_answer__every_one_has_the_headers_that_keep_a_browser_in_check(
    app: FastAPI, address: str, is_signed_in: bool
) -> None:
    client = signed_in(app, may_decide=False) if is_signed_in else TestClient(app)
    headers = client.get(address).headers

    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
