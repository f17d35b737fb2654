"""The application: its routes, what guards them, and the headers of every answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from urllib.parse import quote

from fastapi import Depends, FastAPI, HTTPException, Request, Response, status
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import JSONResponse, RedirectResponse

from mushroom_review import interface, page, pictures
from mushroom_review.access import reader
from mushroom_review.resources import Resources
from mushroom_tasks.errors import CurationError, MushroomError
from mushroom_tasks.settings import Settings, load_settings

# Nothing from elsewhere, no script or style in the page's text, no markup made of strings, no frame but Airflow's.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@cache
def review_app() -> FastAPI:
    """Return the application of this process, with the settings in force."""
    return create_app(load_settings())


def create_app(settings: Settings) -> FastAPI:
    """Return an application that works on the database and the store of these settings; it opens neither yet."""
    # Without its own documentation pages: they would load scripts from elsewhere, and no dependency guards them.
    app = FastAPI(
        title="Mushroom review", dependencies=[Depends(reader)], docs_url=None, redoc_url=None, openapi_url=None
    )
    app.state.resources = Resources(settings)
    for part in (interface, pictures, page):
        app.include_router(part.router)
    app.middleware("http")(_guarded)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(CurationError, _not_there)
    app.add_exception_handler(MushroomError, _not_working)
    return app


async def _guarded(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


async def _refused(request: Request, error: Exception) -> Response:
    """Send who opens the page without a login to Airflow's; everything else gets the bare refusal."""
    assert isinstance(error, HTTPException)
    if error.status_code == status.HTTP_401_UNAUTHORIZED and request.scope.get("endpoint") is page.page:
        mounted = request.scope["root_path"]
        query = f"?{request.url.query}" if request.url.query else ""
        wanted = quote(f"{mounted}/{query}", safe="")
        return RedirectResponse(f"{mounted.rpartition('/')[0]}/api/v2/auth/login?next={wanted}")
    return await http_exception_handler(request, error)


async def _not_there(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, status.HTTP_404_NOT_FOUND)


async def _not_working(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, status.HTTP_503_SERVICE_UNAVAILABLE)
