"""What Airflow's web UI gains: the page where people review photos, the reports, and a link to MLflow.

Every process of Airflow loads this module, tasks included: it imports nothing heavy, reads nothing but the settings
and Airflow's configuration, and leaves the pages to `mushroom_review` and `mushroom_reports`, which requests import.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin
from mushroom_web.mounting import Mounted

from mushroom_tasks.curation.report import PREFIX as REPORTS_PREFIX
from mushroom_tasks.settings import load_settings

REVIEW_PREFIX = "/mushroom-review"


def _review_page() -> dict[str, Any]:
    # Airflow may be served below a path, which neither the frame's nor the icon's address gets by itself.
    root = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/") + REVIEW_PREFIX
    return {
        "name": "Review",  # a longer one is cut off in the menu
        "href": f"{root}/",
        "url_route": REVIEW_PREFIX.strip("/"),
        "destination": "nav",
        "nav_top_level": True,
        "icon": f"{root}/menu.svg",
    }


def _mlflow() -> list[dict[str, Any]]:
    address = load_settings().mlflow_tracking_uri
    if not address.startswith(("http://", "https://")):
        return []  # runs without a server have no page to link to
    return [{"name": "MLflow", "href": address, "destination": "nav", "category": "browse"}]


class MushroomPlugin(AirflowPlugin):
    """Adds the pages, and entries of Airflow's menu."""

    name = "mushroom"
    fastapi_apps = [  # noqa: RUF012
        {"app": Mounted("mushroom_review.app"), "url_prefix": REVIEW_PREFIX, "name": "Mushroom review"},
        {"app": Mounted("mushroom_reports.app"), "url_prefix": REPORTS_PREFIX, "name": "Mushroom reports"},
    ]
    external_views = [_review_page(), *_mlflow()]  # noqa: RUF012
