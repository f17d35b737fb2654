"""The review page's application on a real PostgreSQL and store: who may what, and what it answers."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pictures import scenery
from PIL import Image
from pruned_photos import noise, pruned_photo, pruned_table
from sqlalchemy import Engine, text

from mushroom_tasks.curation import review
from mushroom_tasks.photos import thumbnails
from mushroom_tasks.settings import load_settings
from mushroom_tasks.storage import Store

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
SET, OTHER_SET = "a" * 16, "b" * 16
AMANITA, BOLETUS = 48715, 48717
HOSTILE = "<img src=x onerror=alert(1)>\"'</script>"
OURS = {"X-Mushroom-Review": "1"}
ANYTHING = {"fingerprint": SET, "verdict": "keep", "photos": [[12, AMANITA]]}
BATCH = "00000000-0000-4000-8000-000000000000"


class User:
    """Who is signed in."""

    def get_id(self) -> str:
        return "7"

    def get_name(self) -> str:
        return "ann"


@pytest.fixture(scope="module", autouse=True)
def _airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        patch.setenv("AIRFLOW__CORE__UNIT_TEST_MODE", "True")
        patch.syspath_prepend(str(PLUGINS))
        yield


@pytest.fixture
def engine(module_engine: Engine) -> Engine:
    """The module's database without reviews: a new one would cost more than most of these tests."""
    with module_engine.begin() as connection:
        connection.execute(text("TRUNCATE review_sets, review_species, review_items, review_decisions"))
    return module_engine


@pytest.fixture
def database(module_engine: Engine) -> str:
    return module_engine.url.render_as_string(hide_password=False)


@pytest.fixture
def app(database: str, store: Store) -> FastAPI:
    """The application as Airflow mounts it; nobody is signed in."""
    from mushroom_review.app import create_app

    return create_app(load_settings({"database_url": database, "store_root": store.root}))


def _signed_in(app: FastAPI, *, may_decide: bool) -> TestClient:
    # Who may what is Airflow's to say, with tables of its own: tests/browser asks a live one.
    from mushroom_review import access

    app.dependency_overrides[access.reader] = User
    app.dependency_overrides[access.may_decide] = lambda: may_decide
    return TestClient(app, base_url="http://airflow", headers=OURS)


@pytest.fixture
def editor(app: FastAPI) -> TestClient:
    return _signed_in(app, may_decide=True)


@pytest.fixture
def viewer(app: FastAPI) -> TestClient:
    return _signed_in(app, may_decide=False)


@pytest.fixture(autouse=True)
def _sets(engine: Engine, store: Store) -> None:
    """Two sets: three species in one of them, with 12, 14 and 16 pruned, 18 doubtful."""
    rows = [
        noise(12, 0.95, observer_name=HOSTILE),
        noise(14, 0.9, reason="stray_cluster", cluster_label=1),
        noise(16, 0.8),
        pruned_photo(18, doubt="suspected_label", label_score=0.03, suggested_taxon_id=BOLETUS, outlier_score=0.4),
        *(pruned_photo(photo_id) for photo_id in (20, 22, 11, 13)),
        noise(31, taxon_id=7, scientific_name=HOSTILE, license="<b>"),
    ]
    review.queue(engine, OTHER_SET, pruned_table(noise(990)), origin="test", conf=None, keep_sets=3)
    review.queue(engine, SET, pruned_table(*rows), origin="test", conf={"selection.seed": 1}, keep_sets=3)
    buffer = io.BytesIO()
    scenery(1).save(buffer, "JPEG")
    store.write_bytes(rows[0]["path"], buffer.getvalue())
    store.write_bytes(rows[1]["path"], b"<html>not found</html>")


ADDRESSES = [
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
    answer = TestClient(outer).get("/airflow/mushroom-review/?set=x&taxon=1", follow_redirects=False)

    assert answer.status_code == 307
    login, _, wanted = answer.headers["location"].partition("?next=")
    assert login == "/airflow/api/v2/auth/login"
    assert wanted == "%2Fairflow%2Fmushroom-review%2F%3Fset%3Dx%26taxon%3D1"
    assert answer.content == b""


def test_routes__all_are_known_to_the_test_of_anonymous_requests(app: FastAPI) -> None:
    tested = {re.sub(r"/(?:[0-9a-f]{16}|12|0|main\.js)(?=/|$)", "/*", path) for _, path in ADDRESSES}
    tested = {path.replace("grid.jpg", "*.jpg") for path in tested} | {"/"}
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
    [{"verdict": "eat"}, {"photos": []}, {"photos": [[-1, AMANITA]]}, {"photos": [[1 << 70, 1]]}, {"path": "/etc"}],
)
def test_decide__what_makes_no_sense_is_refused(editor: TestClient, changes: dict[str, Any]) -> None:
    assert editor.post("/api/decisions", json={**ANYTHING, **changes}).status_code == 422


def test_undo__brings_back_what_was_and_says_how_the_photos_stand(editor: TestClient) -> None:
    body = {**ANYTHING, "photos": [[12, AMANITA], [14, AMANITA]]}
    batch = editor.post("/api/decisions", json=body).json()["batch"]

    outcome = editor.post("/api/undo", json={"fingerprint": SET, "batch": batch, "shown": [12, 14, 16]}).json()

    assert outcome["photos"] == 2
    assert [item["verdict"] for item in outcome["items"]] == [None, None, None]
    assert outcome["set"]["waiting"] == 5


@pytest.mark.parametrize(
    "address",
    [
        "/api/sets/none",
        "/api/sets/none/items",
        "/api/sets/none/species",
        f"/api/sets/{SET}/photos/990/log",
        f"/pictures/{SET}/990/grid.jpg",
        "/pictures/none/12/grid.jpg",
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
        f"/pictures/{SET}/..%2F12/grid.jpg",
        f"/pictures/{SET}/12/huge.jpg",
        f"/pictures/{SET}/{1 << 64}/grid.jpg",
        f"/api/sets/{SET}/items?show=everything",
        f"/api/sets/{SET}/items?limit=100000",
    ],
)
def test_get__what_makes_no_sense(editor: TestClient, address: str) -> None:
    assert editor.get(address).status_code in (404, 422)


def test_items__an_unknown_finding_is_a_bad_request(editor: TestClient) -> None:
    answer = editor.get(f"/api/sets/{SET}/items", params={"finding": "poisonous"})

    assert answer.status_code == 422
    assert "stray_cluster" in answer.text


def test_undo__of_no_batch_is_not_there(editor: TestClient) -> None:
    assert editor.post("/api/undo", json={"fingerprint": SET, "batch": BATCH}).status_code == 404


def test_items__page_by_page_each_comes_once(editor: TestClient) -> None:
    seen: list[int] = []
    after: int | None = -1
    while after is not None:
        page = editor.get(f"/api/sets/{SET}/items", params={"show": "all", "limit": 2, "after": after}).json()
        seen += [item["photo_id"] for item in page["items"]]
        after = page["next"]
    assert len(seen) == 9
    assert sorted(seen) == [11, 12, 13, 14, 16, 18, 20, 22, 31]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"show": "pruned", "taxon": AMANITA}, [12, 16, 14]),
        ({"show": "doubtful"}, [18]),
        ({"show": "kept", "taxon": BOLETUS}, [11, 13]),
        ({"finding": "stray_cluster"}, [14]),
        ({"finding": "suspected_label"}, [18]),
        ({"show": "decided"}, []),
    ],
)
def test_items__are_filtered(editor: TestClient, filters: dict[str, Any], expected: list[int]) -> None:
    items = editor.get(f"/api/sets/{SET}/items", params=filters).json()["items"]
    assert [item["photo_id"] for item in items] == expected


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


@pytest.mark.parametrize(("size", "side"), [("grid", 320), ("large", 375)])
def test_picture__is_a_copy_made_once_that_browsers_may_keep(
    editor: TestClient, store: Store, size: str, side: int
) -> None:
    address = f"/pictures/{SET}/12/{size}.jpg"
    first = editor.get(address)
    store.delete("photos/medium/012/12.jpg")
    again = editor.get(address)

    assert again.content == first.content
    assert min(Image.open(io.BytesIO(first.content)).size) == side
    assert first.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert first.headers["content-type"] == "image/jpeg"
    assert editor.get(address, headers={"If-None-Match": first.headers["etag"]}).status_code == 304


def test_pictures__that_wait_leave_the_server_its_threads(editor: TestClient, app: FastAPI) -> None:
    """Airflow's API answers from the same forty threads."""

    async def ask() -> tuple[int, list[int]]:
        transport = httpx.ASGITransport(app)
        statuses: list[int] = []
        async with httpx.AsyncClient(transport=transport, base_url="http://airflow", headers=OURS) as client:

            async def load() -> None:
                statuses.append((await client.get(f"/pictures/{SET}/12/grid.jpg")).status_code)

            async with anyio.create_task_group() as group:
                with thumbnails._DECODING, thumbnails._DECODING:  # nothing can be decoded now
                    for _ in range(50):
                        group.start_soon(load)
                    await anyio.sleep(0.5)
                    with anyio.fail_after(20):
                        start = (await client.get("/api/start")).status_code
                    assert statuses == []
        return start, statuses

    assert anyio.run(ask) == (200, [200] * 50)


def test_page__loads_nothing_from_elsewhere_and_runs_nothing_of_its_own_text(editor: TestClient) -> None:
    answer = editor.get("/")
    policy = answer.headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'self'" in policy
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", answer.text)
    loaded = re.findall(r'(?:src|href)="(static/[^"]+)"', answer.text)
    assert len(loaded) == 3
    for address in loaded:
        found = editor.get(f"/{address}")
        assert found.status_code == 200
        assert "immutable" in found.headers["cache-control"]


def test_static__no_file_names_another_server() -> None:
    files = [
        path for path in (PLUGINS / "mushroom_review").rglob("*") if path.suffix in (".js", ".css", ".html", ".svg")
    ]
    assert len(files) > 10
    for path in files:
        found = set(re.findall(r"https?://[\w./-]+", path.read_text()))
        assert found <= {"http://www.w3.org/2000/svg"}, path.name
        assert "innerHTML" not in path.read_text(), path.name


def test_database__that_is_away_is_said_and_comes_back(app: FastAPI, database: str, store: Store) -> None:
    from mushroom_review.resources import Resources

    client = _signed_in(app, may_decide=True)
    working = app.state.resources
    away = database.replace("/test_", "/missing_")
    app.state.resources = Resources(load_settings({"database_url": away, "store_root": store.root}))
    answer = client.get("/api/start")

    assert answer.status_code == 503
    assert "PostgreSQL" in answer.json()["detail"]
    app.state.resources = working
    assert client.get("/api/start").status_code == 200


def test_start__without_any_set_is_no_error(editor: TestClient, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM review_sets"))
    assert editor.get("/api/start").json()["sets"] == []


def test_plugin__imports_nothing_heavy(tmp_path: Path) -> None:
    """Tasks and schedulers load it too."""
    code = (
        "import sys; from airflow.plugins_manager import AirflowPlugin; before = set(sys.modules); "
        f"sys.path.insert(0, {str(PLUGINS)!r}); import mushroom_plugin; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(new & {'mushroom_review', 'fastapi', 'PIL', 'pyarrow', 'alembic', 'tensorflow', 'mlflow'}))"
    )
    environment = {
        "AIRFLOW_HOME": str(tmp_path),
        "MUSHROOM_HOME": str(tmp_path),
        "PATH": str(Path(sys.executable).parent),
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"
