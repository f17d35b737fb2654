"""What Airflow's web UI gains: a link to MLflow, where runs are compared.

The module is loaded by the API server: it imports nothing heavy and reads nothing but the settings.
"""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from mushroom_tasks.settings import load_settings


def _links() -> list[dict[str, Any]]:
    address = load_settings().mlflow_tracking_uri
    if not address.startswith(("http://", "https://")):
        return []  # runs without a server have no page to link to
    return [{"name": "MLflow", "href": address, "destination": "nav", "category": "browse"}]


class MushroomPlugin(AirflowPlugin):
    """Adds the links to Airflow's menu."""

    name = "mushroom"
    external_views = _links()
