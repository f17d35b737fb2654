"""Who may read: whoever may read the DAG `dataset_build` in Airflow. Nothing answers without a login."""

from __future__ import annotations

from typing import Annotated

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, Request

DAG = "dataset_build"

_may_read = requires_access_dag("GET", param_dag_id=DAG)


def reader(request: Request, user: GetUserDep) -> BaseUser:
    """Return the user; 401 without a login, 403 for one who may not read the DAG."""
    _may_read(request, user)
    return user


Reader = Annotated[BaseUser, Depends(reader)]
