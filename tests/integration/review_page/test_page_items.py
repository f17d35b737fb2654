"""What the page asks for: sets, species and photos, page by page."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pruned_photos import noise, pruned_photo, pruned_table
from review_client import AMANITA, BOLETUS, HOSTILE, SET, signed_in
from sqlalchemy import Engine, text

from mushroom_tasks.curation import review
from mushroom_tasks.settings import load_settings
from mushroom_tasks.storage import Store

NONE = "0" * 16


def test_start__without_any_set_is_no_error(editor: TestClient, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM review_sets"))
    assert editor.get("/api/start").json()["sets"] == []


def test_items__page_by_page_each_comes_once(editor: TestClient) -> None:
    seen: list[int] = []
    after: int | None = -1
    while after is not None:
        page = editor.get(f"/api/sets/{SET}/items", params={"show": "all", "limit": 2, "after": after}).json()
        seen += [item["photo_id"] for item in page["items"]]
        after = page["next_cursor"]
    assert len(seen) == 9
    assert sorted(seen) == [11, 12, 13, 14, 16, 18, 20, 22, 31]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"show": "pruned", "taxon": AMANITA}, [12, 16, 14]),
        ({"show": "doubtful"}, [18]),
        ({"show": "kept", "taxon": BOLETUS}, [11, 13]),
        ({"finding": "stray_cluster"}, [14]),
        ({"issue": "dark", "show": "all"}, [22]),
        ({"issue": "blurred", "show": "all"}, []),
        ({"finding": "suspected_label"}, [18]),
        ({"show": "decided"}, []),
    ],
)
def test_items__are_filtered(editor: TestClient, filters: dict[str, Any], expected: list[int]) -> None:
    items = editor.get(f"/api/sets/{SET}/items", params=filters).json()["items"]
    assert [item["photo_id"] for item in items] == expected


def test_items__an_unknown_finding_is_a_bad_request(editor: TestClient) -> None:
    answer = editor.get(f"/api/sets/{SET}/items", params={"finding": "poisonous"})

    assert answer.status_code == 422
    assert "stray_cluster" in answer.text


def test_item__says_what_people_need_to_decide(editor: TestClient) -> None:
    first, *_ = editor.get(f"/api/sets/{SET}/items", params={"show": "doubtful"}).json()["items"]

    assert first["scientific_name"] == "Amanita muscaria"
    assert first["suggested_name"] == "Boletus edulis"
    assert first["license"] == "CC BY-NC"
    assert first["license_url"] == "https://creativecommons.org/licenses/by-nc/4.0/"
    assert first["observation_url"] == "https://www.inaturalist.org/observations/observation-9"
    assert (first["doubt"], first["label_score"]) == ("suspected_label", pytest.approx(0.03))
    assert "path" not in first


def test_item__another_species_is_suggested_only_where_the_label_is_suspected(
    editor: TestClient, engine: Engine
) -> None:
    rows = [noise(12, suggested_taxon_id=BOLETUS, label_score=0.1), pruned_photo(11, taxon_id=BOLETUS)]
    review.queue(engine, "c" * 16, pruned_table(*rows), origin="test", conf=None, keep_sets=3)
    (item,) = editor.get(f"/api/sets/{'c' * 16}/items").json()["items"]

    assert item["photo_id"] == 12
    assert item["suggested_name"] is None


def test_item__says_what_makes_it_poor_in_words_that_the_page_has(editor: TestClient) -> None:
    (item,) = editor.get(f"/api/sets/{SET}/items", params={"issue": "dark", "show": "all"}).json()["items"]

    assert editor.get("/api/start").json()["issues"][item["quality_issue"]] == "is too dark even where it is brightest"


def test_hostile_names__come_as_they_are_and_in_no_page(editor: TestClient) -> None:
    """They are JSON, which the page shows as text; nothing that a browser reads as HTML holds a word of the tables."""
    answer = editor.get(f"/api/sets/{SET}/items")
    names = {item["scientific_name"] for item in answer.json()["items"]}

    assert HOSTILE in names
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "onerror" not in editor.get("/").text


def test_species__are_searched_as_text(editor: TestClient) -> None:
    def found(search: str) -> list[str]:
        page = editor.get(f"/api/sets/{SET}/species", params={"search": search}).json()
        return [species["scientific_name"] for species in page["species"]]

    assert found("AMANITA") == ["Amanita muscaria"]
    assert found("%") == []
    assert found("'; DROP TABLE review_sets; --") == []
    assert len(found("")) == 3


@pytest.mark.parametrize(
    "address",
    [
        f"/api/sets/{NONE}",
        f"/api/sets/{NONE}/items",
        f"/api/sets/{NONE}/species",
        f"/api/sets/{SET}/photos/990/log",
        f"/pictures/{SET}/990/grid.jpg",
        f"/pictures/{NONE}/12/grid.jpg",
        f"/pictures/{SET}/20/grid.jpg",
        f"/pictures/{SET}/14/grid.jpg",
        "/static/0/main.js",
        "/nothing.svg",
        "/static/../app.py",
        "/docs",
        "/openapi.json",
    ],
)
def test_get__what_is_not_there(editor: TestClient, address: str) -> None:
    assert editor.get(address).status_code == 404


@pytest.mark.parametrize(
    "address",
    [
        "/api/sets/none",
        "/api/sets/%00/items",
        "/pictures/none/12/grid.jpg",
        f"/pictures/{SET}%0A/12/grid.jpg",
        f"/pictures/{SET}/..%2F12/grid.jpg",
        f"/api/sets/{SET}/species?search=%00",
        f"/api/sets/{SET}/species?after={1 << 31}",
        f"/api/sets/{SET}/items?after=-2",
        f"/api/sets/{SET}/items?after=1;DROP",
        f"/api/sets/{SET}/items?issue=poisonous",
        f"/api/log?before={1 << 63}",
        f"/pictures/{SET}/12/huge.jpg",
        f"/pictures/{SET}/{1 << 64}/grid.jpg",
        f"/api/sets/{SET}/items?show=everything",
        f"/api/sets/{SET}/items?limit=100000",
    ],
)
def test_get__what_makes_no_sense(editor: TestClient, address: str) -> None:
    assert editor.get(address).status_code in (404, 422)


def test_database__that_is_away_is_said_and_comes_back(app: FastAPI, database: str, store: Store) -> None:
    from mushroom_review.resources import Resources

    client = signed_in(app, may_decide=True)
    working = app.state.resources
    away = database.replace("/test_", "/missing_")
    app.state.resources = Resources(load_settings({"database_url": away, "store_root": store.root}))
    answer = client.get("/api/start")

    assert answer.status_code == 503
    assert "PostgreSQL" in answer.json()["detail"]
    app.state.resources = working
    assert client.get("/api/start").status_code == 200
