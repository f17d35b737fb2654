"""The review page's application on a real PostgreSQL and store, with two sets to review."""

from __future__ import annotations

import io

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pictures import scenery
from pruned_photos import noise, pruned_photo, pruned_table
from review_client import BOLETUS, HOSTILE, OTHER_SET, SET, signed_in
from sqlalchemy import Engine, text

from mushroom_tasks.curation import review
from mushroom_tasks.settings import load_settings
from mushroom_tasks.storage import Store


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
def app(airflow_environment: None, database: str, store: Store) -> FastAPI:
    """The application as Airflow mounts it; nobody is signed in."""
    from mushroom_review.app import create_app

    return create_app(load_settings({"database_url": database, "store_root": store.root}))


@pytest.fixture
def editor(app: FastAPI) -> TestClient:
    return signed_in(app, may_decide=True)


@pytest.fixture
def viewer(app: FastAPI) -> TestClient:
    return signed_in(app, may_decide=False)


@pytest.fixture(autouse=True)
def _sets(engine: Engine, store: Store) -> None:
    """Two sets: three species in one of them, with 12, 14 and 16 pruned, 18 doubtful."""
    rows = [
        noise(12, 0.95, observer_name=HOSTILE),
        noise(14, 0.9, reason="stray_cluster", cluster_label=1),
        noise(16, 0.8),
        pruned_photo(18, doubt="suspected_label", label_score=0.03, suggested_taxon_id=BOLETUS, outlier_score=0.4),
        pruned_photo(22, quality_issue="dark"),
        *(pruned_photo(photo_id) for photo_id in (20, 11, 13)),
        noise(31, taxon_id=7, scientific_name=HOSTILE, license="<b>"),
    ]
    review.queue(engine, OTHER_SET, pruned_table(noise(990)), origin="test", conf=None, keep_sets=3)
    review.queue(engine, SET, pruned_table(*rows), origin="test", conf={"selection.seed": 1}, keep_sets=3)
    buffer = io.BytesIO()
    scenery(1).save(buffer, "JPEG")
    store.write_bytes(rows[0]["path"], buffer.getvalue())
    store.write_bytes(rows[1]["path"], b"<html>not found</html>")
