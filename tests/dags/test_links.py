"""Links from the task `report`, and the application that answers them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest

REPORT, PRUNED = "0123456789abcdef", "fedcba9876543210"


@pytest.fixture(scope="module")
def links(airflow_environment: None) -> Any:
    import links

    return links


@pytest.fixture
def returned(monkeypatch: pytest.MonkeyPatch, links: Any) -> dict[str, Any]:
    """What the task returned, for the link to find."""
    result: dict[str, Any] = {"fingerprint": REPORT, "page": "https://mlflow.example/#/experiments/1"}
    monkeypatch.setattr(links.XCom, "get_value", lambda **_: result or None)
    return result


def link_to(link: Any) -> str:
    return link.get_link(
        None, ti_key=SimpleNamespace(dag_id="dataset_build", task_id="report", run_id="1", map_index=-1)
    )


def test_report_link__leads_to_the_page_below_airflows_own_path(
    links: Any, returned: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://team.example/airflow/")
    assert link_to(links.ReportLink()) == f"/airflow/mushroom-reports/{REPORT}/"


def test_mlflow_link__is_the_page_that_the_stage_named(links: Any, returned: dict[str, Any]) -> None:
    assert link_to(links.MlflowLink()) == "https://mlflow.example/#/experiments/1"


def test_links__of_a_task_that_failed_are_empty(links: Any, returned: dict[str, Any]) -> None:
    returned.clear()
    assert link_to(links.ReportLink()) == link_to(links.MlflowLink()) == ""


@pytest.fixture
def reports(airflow_environment: None, tmp_path: Path) -> Any:
    """The application on a store with one report, for a user who may read, or for nobody."""
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from mushroom_reports.app import create_app
    from mushroom_web.access import reader

    from mushroom_tasks.settings import load_settings
    from mushroom_tasks.storage import Store

    settings = load_settings({"home": tmp_path})
    store = Store(settings.store)
    store.write_text(f"reports/{REPORT}/report.html", "<!doctype html>")
    store.write_text(f"reports/{REPORT}/sheets/amanita-1.png", "png")
    store.write_json(f"reports/of/{PRUNED}.json", {"report": REPORT})
    store.write_text("secret.json", "{}")
    app = create_app(settings)

    def client(user: str | None) -> Any:
        app.dependency_overrides = {} if user is None else {reader: lambda: user}
        outer = FastAPI(root_path="/airflow")
        outer.mount("/mushroom-reports", app)
        return TestClient(outer, base_url="http://team.example/airflow/mushroom-reports", follow_redirects=False)

    return client


def test_reports__show_the_page_and_what_lies_beside_it(reports: Any) -> None:
    client = reports("ann")
    page, sheet = client.get(f"/{REPORT}/"), client.get(f"/{REPORT}/sheets/amanita-1.png")

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert (sheet.status_code, sheet.headers["content-type"]) == (200, "image/png")


def test_reports__the_review_page_leads_to_the_one_made_last_of_its_set(reports: Any) -> None:
    client = reports("ann")

    assert client.get(f"/of/{PRUNED}").headers["location"] == f"/airflow/mushroom-reports/{REPORT}/"
    assert client.get(f"/of/{REPORT}").status_code == 404
    assert reports(None).get(f"/of/{PRUNED}").status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        f"/{REPORT}/../../secret.json",
        f"/{REPORT}/..%2f..%2fsecret.json",
        f"/{REPORT}/sheets/gone.png",
        "/0000000000000000/",
        "/..%2f..%2f/secret.json",
    ],
)
def test_reports__lead_nowhere_else(reports: Any, path: str) -> None:
    assert reports("ann").get(path).status_code in (404, 422)


@pytest.mark.parametrize(
    "path", [f"/{REPORT}/", f"/{REPORT}/report.html", f"/{REPORT}/sheets/amanita-1.png", f"/of/{PRUNED}"]
)
def test_reports__show_nothing_to_nobody(reports: Any, path: str) -> None:
    """Who opens one in a browser is sent to sign in, and back."""
    client = reports(None)
    answer, opened = client.get(path), client.get(path, headers={"Accept": "text/html,*/*;q=0.8"})

    assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})
    assert opened.status_code == 307
    login, _, wanted = opened.headers["location"].partition("?next=")
    assert login == "/airflow/api/v2/auth/login"
    assert unquote(wanted) == f"/airflow/mushroom-reports{path}"


def test_reports__cannot_act_as_who_reads_them(reports: Any) -> None:
    """Whatever a page in the store holds, it runs without an origin: Airflow's login is not sent along."""
    policy = reports("ann").get(f"/{REPORT}/").headers["content-security-policy"]
    (sandbox,) = [part.split() for part in policy.split("; ") if part.startswith("sandbox")]

    assert "allow-scripts" in sandbox
    assert not {"allow-same-origin", "allow-forms", "allow-top-navigation", "allow-modals"} & set(sandbox)


@pytest.mark.filterwarnings("ignore")
def test_links__of_a_task_are_kept_with_the_dag(links: Any) -> None:
    """The web server never loads the file of a DAG: what it knows of a link is in the DAG that the processor wrote."""
    from airflow.sdk import dag, task
    from airflow.serialization.serialized_objects import DagSerialization

    @dag(dag_id="linked", schedule=None)
    def linked() -> None:
        @task
        def report() -> dict[str, Any]:
            return {}

        made = report()
        made.operator.operator_extra_links = (links.ReportLink(), links.MlflowLink())

    kept = DagSerialization.from_dict(DagSerialization.to_dict(linked()))
    assert kept.get_task("report").extra_links == ["Report", "Report in MLflow"]


def test_prefix__is_the_one_that_the_plugin_answers(airflow_environment: None) -> None:
    import mushroom_plugin

    from mushroom_tasks.curation.report import PREFIX

    assert PREFIX in {app["url_prefix"] for app in mushroom_plugin.MushroomPlugin.fastapi_apps}
