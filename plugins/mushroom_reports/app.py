"""The application that shows reports out of the store to whoever may read the DAG `dataset_build`.

A report is one page that needs nothing else, and pictures beside it. Its texts come from strangers: they are escaped
where it is made. Whatever is in it, here it runs in a sandbox, where Airflow's login is out of its reach.
"""

from __future__ import annotations

import re
from functools import cache

from fastapi import FastAPI, HTTPException, Request, Response, status
from fastapi.responses import RedirectResponse
from mushroom_web.fingerprints import Fingerprint
from mushroom_web.guard import guarded_app

from mushroom_tasks.curation.report import FOLDER, PAGE, latest_path
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
_POLICY = (
    "default-src 'none'",
    "img-src 'self' data:",
    "style-src 'unsafe-inline'",
    "script-src 'unsafe-inline'",  # the page itself names the one script that it runs, by its checksum
    "sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox",
)
_LASTING = {"Cache-Control": "private, max-age=3600"}  # a report never changes: another one has another fingerprint


@cache
def application() -> FastAPI:
    """Return the application of this process, with the settings in force."""
    return create_app(load_settings())


def create_app(settings: Settings) -> FastAPI:
    """Return an application that reads the store of these settings."""
    store = Store(settings.store)
    app = guarded_app("Mushroom reports", _POLICY)

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
        return Response(data, media_type=_KINDS[wanted.rpartition(".")[2]], headers=_LASTING)

    return app
