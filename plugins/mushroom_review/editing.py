"""Who may decide: whoever may edit the DAG `dataset_build` in Airflow; others may look.

A browser sends Airflow's cookie along with requests of any page. What changes something therefore takes JSON with a
header of its own, which no form of another site can send, and looks where the browser says that it comes from.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.configuration import conf
from fastapi import Depends, HTTPException, Request, status
from mushroom_web.access import DAG, Reader

HEADER = "x-mushroom-review"
ONLY_LOOK = f"You may look but not decide: that takes the permission to edit {DAG}."

_may_edit = requires_access_dag("PUT", param_dag_id=DAG)


def may_decide(request: Request, user: Reader) -> bool:
    """Tell whether the user may edit the DAG."""
    try:
        _may_edit(request, user)
    except HTTPException:
        return False
    return True


MayDecide = Annotated[bool, Depends(may_decide)]


def same_origin(request: Request) -> None:
    """Refuse, with 403, a request that a page of another site could have sent."""
    if HEADER not in request.headers or not _is_own(request):
        raise HTTPException(status.HTTP_403_FORBIDDEN, f"This has to come from the page itself, with {HEADER}.")


def _is_own(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    # Browsers leave that out where Airflow is served without TLS; a proxy before it may change the host.
    origin = request.headers.get("origin")
    ours = {request.headers.get("host"), urlsplit(conf.get("api", "base_url", fallback="")).netloc} - {None, ""}
    return origin is None or urlsplit(origin).netloc in ours


def editor(_: Annotated[None, Depends(same_origin)], user: Reader, may: MayDecide) -> BaseUser:
    """Return the user; 403 for one who may not edit the DAG, and for requests of other sites."""
    if not may:
        raise HTTPException(status.HTTP_403_FORBIDDEN, ONLY_LOOK)
    return user


Editor = Annotated[BaseUser, Depends(editor)]
