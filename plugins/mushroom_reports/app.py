"""The application that shows reports out of the store to whoever may read the DAG `dataset_build`.

A report is one page that needs nothing else, and pictures beside it. Its texts come from strangers: they are escaped
where it is made, and the headers here let nothing run or load but what the page itself brings.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, FastAPI, HTTPException, Path, Request, Response, status
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import RedirectResponse
from mushroom_review.access import reader

from mushroom_tasks.curation.report import FOLDER, PAGE, latest_path
from mushroom_tasks.errors import StorageError
from mushroom_tasks.settings import Settings, load_settings
from mushroom_tasks.storage import Store

_NAME = re.compile(r"(sheets/)?[a-z0-9_-]+\.(html|png|jpg|json|parquet)")
_KINDS = {
    "html": "text/html; charset=utf-8",
    "png": "image/png",
    "jpg": "image/jpeg",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
}
_HEADERS = {
    # The page names the one script that it runs, by its checksum; both policies have to allow what happens.
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, max-age=3600",  # a report never changes: another one has another fingerprint
}

Fingerprint = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]


@cache
def reports_app() -> FastAPI:
    """Return the application of this process, with the settings in force."""
    return create_app(load_settings())


def create_app(settings: Settings) -> FastAPI:
    """Return an application that reads the store of these settings."""
    store = Store(settings.store)
    # Without its own documentation pages: no dependency guards them.
    app = FastAPI(
        title="Mushroom reports", dependencies=[Depends(reader)], docs_url=None, redoc_url=None, openapi_url=None
    )

    @app.get("/of/{pruned}")
    def latest(pruned: Fingerprint, request: Request) -> Response:
        """Lead to the report that was made last of a pruned manifest."""
        try:
            found = store.read_json(latest_path(pruned))["report"]
        except FileNotFoundError:
            raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no report of this data set.") from None
        return RedirectResponse(f"{request.scope['root_path']}/{found}/")

    @app.get("/{report}/{name:path}")
    def file(report: Fingerprint, name: str) -> Response:
        """Return a file of a report; its page where none is named."""
        wanted = name or PAGE
        if not _NAME.fullmatch(wanted):
            raise HTTPException(status.HTTP_404_NOT_FOUND, "A report has no such file.")
        try:
            data = store.read_bytes(f"{FOLDER}/{report}/{wanted}")
        except FileNotFoundError:
            raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such file in the store (any more).") from None
        except (OSError, StorageError) as error:
            raise HTTPException(status.HTTP_503_SERVICE_UNAVAILABLE, f"The store does not answer: {error}") from error
        return Response(data, media_type=_KINDS[wanted.rpartition(".")[2]], headers=_HEADERS)

    app.add_exception_handler(HTTPException, _refused)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    """Send who opens a page without a login to Airflow's; everything else gets the bare refusal."""
    assert isinstance(error, HTTPException)
    wanted = request.path_params
    if error.status_code == status.HTTP_401_UNAUTHORIZED and wanted.get("name") in ("", PAGE):
        mounted = request.scope["root_path"]
        address = quote(f"{mounted}/{wanted['report']}/", safe="")
        return RedirectResponse(f"{mounted.rpartition('/')[0]}/api/v2/auth/login?next={address}")
    return await http_exception_handler(request, error)
