"""What the page sends: decisions on photos of its set, and what takes them back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from review_client import AMANITA, ANYTHING, BATCH, BOLETUS, SET
from sqlalchemy import Engine

from mushroom_tasks.curation import review


def test_decide__of_the_page_itself_is_taken(editor: TestClient, engine: Engine) -> None:
    headers = {"Origin": "http://airflow", "Sec-Fetch-Site": "same-origin"}
    outcome = editor.post("/api/decisions", json=ANYTHING, headers=headers).json()

    assert outcome["photos"] == 1
    assert outcome["items"][0]["verdict"] == "keep"
    assert outcome["items"][0]["decided_by"] == "ann"
    assert (outcome["set"]["waiting"], outcome["set"]["decided"]) == (4, 1)
    assert review.decisions(engine).to_pylist()[0]["photo_id"] == 12


@pytest.mark.parametrize(
    "photos",
    [[[12, AMANITA], [990, AMANITA]], [[12, BOLETUS]], [[5_000_000, AMANITA]]],
    ids=["of another set", "of another species", "of no set"],
)
def test_decide__a_photo_that_is_not_in_the_set_is_not_there(
    editor: TestClient, engine: Engine, photos: list[list[int]]
) -> None:
    answer = editor.post("/api/decisions", json={**ANYTHING, "photos": photos})

    assert answer.status_code == 404
    assert str(photos[-1][0]) in answer.json()["detail"]
    assert review.decisions(engine).num_rows == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "eat"},
        {"photos": []},
        {"photos": [[-1, AMANITA]]},
        {"photos": [[1 << 70, 1]]},
        {"photos": [[12, AMANITA]] * 5_001},
        {"fingerprint": "\ud800"},
        {"fingerprint": f"{SET}\x00"},
        {"path": "/etc"},
        {"\ud800": 1},
    ],
    ids=lambda changes: next(iter(changes)).encode("ascii", "replace").decode(),
)
def test_decide__what_makes_no_sense_is_refused_in_a_line(
    editor: TestClient, engine: Engine, changes: dict[str, Any]
) -> None:
    body = json.dumps({**ANYTHING, **changes})
    answer = editor.post("/api/decisions", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 422
    assert len(answer.json()["detail"]) < 300
    assert review.decisions(engine).num_rows == 0


def test_undo__brings_back_what_was_and_says_how_the_photos_stand(editor: TestClient) -> None:
    body = {**ANYTHING, "photos": [[12, AMANITA], [14, AMANITA]]}
    batch = editor.post("/api/decisions", json=body).json()["batch"]

    outcome = editor.post("/api/undo", json={"fingerprint": SET, "batch": batch, "shown": [12, 14, 16]}).json()

    assert outcome["photos"] == 2
    assert [item["verdict"] for item in outcome["items"]] == [None, None, None]
    assert outcome["set"]["waiting"] == 5


def test_undo__of_no_batch_is_not_there(editor: TestClient) -> None:
    assert editor.post("/api/undo", json={"fingerprint": SET, "batch": BATCH}).status_code == 404


def test_log__says_who_decided_what(editor: TestClient) -> None:
    batch = editor.post("/api/decisions", json=ANYTHING).json()["batch"]
    editor.post("/api/undo", json={"fingerprint": SET, "batch": batch})

    rows = editor.get("/api/log").json()
    assert [(row["decided_by"], row["verdict"], row["scientific_name"]) for row in rows] == [
        ("ann", None, "Amanita muscaria"),
        ("ann", "keep", "Amanita muscaria"),
    ]
    assert rows[0]["undoes"] == batch
    assert [row["id"] for row in editor.get(f"/api/sets/{SET}/photos/12/log").json()] == [row["id"] for row in rows]
    assert editor.get("/api/log", params={"before": rows[1]["id"]}).json() == []
