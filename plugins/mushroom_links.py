"""Makes Airflow show the reports of data sets, to which the task `report` links (`dags/links.py`).

Every process of Airflow loads this module, tasks included: the application itself is imported by the first request.
"""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

REPORTS_PREFIX = "/mushroom-reports"


class ReportsApp:
    """The reports as the API server mounts them."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand a request on."""
        from mushroom_reports.app import reports_app

        await reports_app()(scope, receive, send)


class MushroomLinks(AirflowPlugin):
    """Adds the reports to Airflow's web server."""

    name = "mushroom_links"
    fastapi_apps = [{"app": ReportsApp(), "url_prefix": REPORTS_PREFIX, "name": "Mushroom reports"}]  # noqa: RUF012
