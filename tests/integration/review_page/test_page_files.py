"""The page, its scripts and styles, and the photos."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import anyio
import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from review_client import OURS, PLUGINS, SET

from mushroom_tasks.curation.report import PREFIX
from mushroom_tasks.photos import thumbnails
from mushroom_tasks.storage import Store


def test_page__loads_nothing_from_elsewhere_and_runs_nothing_of_its_own_text(editor: TestClient) -> None:
    answer = editor.get("/")
    policy = answer.headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'self'" in policy
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", answer.text)
    assert f'data-reports="..{PREFIX}"' in answer.text
    loaded = re.findall(r'(?:src|href)="(static/[^"]+)"', answer.text)
    assert len(loaded) == 7
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


def test_plugin__imports_nothing_heavy(tmp_path: Path) -> None:
    """Tasks and schedulers load it too."""
    code = (
        "import sys; from airflow.plugins_manager import AirflowPlugin; before = set(sys.modules); "
        f"sys.path.insert(0, {str(PLUGINS)!r}); import mushroom_plugin; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "heavy = {'mushroom_review', 'mushroom_reports', 'fastapi', 'numpy', 'PIL', 'pyarrow', 'alembic', "
        "'tensorflow', 'mlflow'}; print(sorted(new & heavy))"
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
