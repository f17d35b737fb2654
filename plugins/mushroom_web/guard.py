"""An application that answers nobody but readers, says to browsers what its pages may do, and takes short requests.

app = guarded_app("Mushroom reports", ("default-src 'none'", "img-src 'self'"))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from fastapi import Depends, FastAPI, HTTPException, Request, Response, status
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.datastructures import Headers, MutableHeaders

from mushroom_tasks.errors import MushroomError
from mushroom_web.access import reader

MOST_BYTES = 1 << 20  # of a request: FastAPI reads it whole before it asks who sent it
_NAMED = 3  # faults of a request
_ALWAYS = ("base-uri 'none'", "form-action 'none'", "frame-ancestors 'self'")  # no frame but Airflow's
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def guarded_app(title: str, policy: Sequence[str]) -> FastAPI:
    """Return an application without routes yet; `policy` are directives of its Content-Security-Policy."""
    # Without its own documentation pages: they would load scripts from elsewhere, and no dependency guards them.
    app = FastAPI(title=title, dependencies=[Depends(reader)], docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(_Guard, headers=_HEADERS | {"Content-Security-Policy": "; ".join((*policy, *_ALWAYS))})
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _makes_no_sense)
    for error in (MushroomError, OSError):
        app.add_exception_handler(error, _not_working)
    return app


class _Guard:
    """Adds headers to every answer, those of errors too, unless the route has set them."""

    def __init__(self, app: Any, headers: dict[str, str]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    found.setdefault(name, value)
            await send(message)

        answer = _too_long if _is_too_long(Headers(scope=scope)) else self._app
        await answer(scope, receive, guarded)


def _is_too_long(headers: Headers) -> bool:
    length = headers.get("content-length", "0")
    return "transfer-encoding" in headers or not length.isdecimal() or int(length) > MOST_BYTES


_too_long = JSONResponse(
    {"detail": f"A request has {MOST_BYTES:,} bytes at most, and says how many."}, status.HTTP_413_CONTENT_TOO_LARGE
)


async def _refused(request: Request, error: Exception) -> Response:
    """Send a person who opens a page without a login to Airflow's; everything else gets the bare refusal."""
    assert isinstance(error, HTTPException)
    if error.status_code == status.HTTP_401_UNAUTHORIZED and "text/html" in request.headers.get("accept", ""):
        mounted = request.scope["root_path"]
        query = f"?{request.url.query}" if request.url.query else ""
        wanted = quote(f"{mounted}{request.url.path.removeprefix(mounted)}{query}", safe="")
        return RedirectResponse(f"{mounted.rpartition('/')[0]}/api/v2/auth/login?next={wanted}")
    return await http_exception_handler(request, error)


async def _makes_no_sense(_: Request, error: Exception) -> Response:
    """Say what is wrong, in a line for people, without the request itself: it may be long, or no text at all."""
    assert isinstance(error, RequestValidationError)
    named = (f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in error.errors()[:_NAMED])
    detail = "; ".join(named).encode("ascii", "backslashreplace").decode()
    return JSONResponse({"detail": detail}, status.HTTP_422_UNPROCESSABLE_CONTENT)


async def _not_working(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, status.HTTP_503_SERVICE_UNAVAILABLE)
