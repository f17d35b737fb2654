"""Links from the task `report` to what it made: buttons on the task's page in Airflow.

Airflow asks for them in the task's own process, when it has ended, and keeps the answers as XComs for its web server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.sdk import BaseOperatorLink
from airflow.sdk.configuration import conf
from airflow.sdk.execution_time.xcom import XCom

from mushroom_tasks.curation.report import PREFIX

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


def _result(ti_key: TaskInstanceKey) -> dict[str, Any]:
    """Return what the task returned; nothing where it failed or was skipped."""
    return XCom.get_value(ti_key=ti_key, key=XCom.XCOM_RETURN_KEY) or {}


class ReportLink(BaseOperatorLink):
    """The report, shown by Airflow to whoever may read the DAG."""

    name = "Report"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the path of the page, below that of Airflow itself; an empty text where there is none."""
        made = _result(ti_key).get("fingerprint")
        root = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
        return f"{root}{PREFIX}/{made}/" if made else ""


class MlflowLink(BaseOperatorLink):
    """The same report in MLflow, beside its figures, parameters and metrics."""

    name = "Report in MLflow"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the address of the page; an empty text where no MLflow server shows it."""
        return _result(ti_key).get("page") or ""
