"""What Airflow's web UI gains: the page where people review photos, and a link to MLflow, where runs are compared.

Every process of Airflow loads this module, tasks included: it imports nothing heavy, reads nothing but the settings
and Airflow's configuration, and leaves the page itself to `mushroom_review`, which the first request imports.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

from mushroom_tasks.settings import load_settings

REVIEW_PREFIX = "/mushroom-review"


class ReviewApp:
    """The review page as the API server mounts it."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand a request on."""
        from mushroom_review.app import review_app

        await review_app()(scope, receive, send)


def _review_page() -> dict[str, Any]:
    # Airflow may be served below a path, which neither the frame's nor the icon's address gets by itself.
    root = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/") + REVIEW_PREFIX
    return {
        "name": "Review",  # a longer one is cut off in the menu
        "href": f"{root}/",
        "url_route": "mushroom-review",
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
    """Adds the page, and entries of Airflow's menu."""

    name = "mushroom"
    fastapi_apps = [{"app": ReviewApp(), "url_prefix": REVIEW_PREFIX, "name": "Mushroom review"}]  # noqa: RUF012
    external_views = [_review_page(), *_mlflow()]  # noqa: RUF012
