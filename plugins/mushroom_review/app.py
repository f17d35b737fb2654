"""The application of the review page: its routes, and what its pages may do."""

from __future__ import annotations

from functools import cache

from fastapi import FastAPI, Request, Response, status
from fastapi.responses import JSONResponse
from mushroom_web.guard import guarded_app

from mushroom_review import interface, page, pictures
from mushroom_review.resources import Resources
from mushroom_tasks.errors import CurationError
from mushroom_tasks.settings import Settings, load_settings

# Nothing from elsewhere, no script or style in the page's text, no markup made of strings.
_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)


@cache
def application() -> FastAPI:
    """Return the application of this process, with the settings in force."""
    return create_app(load_settings())


def create_app(settings: Settings) -> FastAPI:
    """Return an application that works on the database and the store of these settings; it opens neither yet."""
    app = guarded_app("Mushroom review", _POLICY)
    app.state.resources = Resources(settings)
    for part in (interface, pictures, page):
        app.include_router(part.router)
    app.add_exception_handler(CurationError, _not_there)
    return app


async def _not_there(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, status.HTTP_404_NOT_FOUND)
