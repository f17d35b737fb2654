"""What the tests of the review page ask, of what, and as whom."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
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


def signed_in(app: FastAPI, *, may_decide: bool) -> TestClient:
    """Return a client of somebody. Who may what is Airflow's to say, with its own tables: tests/browser asks it."""
    from mushroom_review import editing
    from mushroom_web import access

    app.dependency_overrides[access.reader] = User
    app.dependency_overrides[editing.may_decide] = lambda: may_decide
    return TestClient(app, base_url="http://airflow", headers=OURS)
