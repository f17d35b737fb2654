"""The page and the files it loads; they are found by name in a list made once, so no address can lead elsewhere."""

from __future__ import annotations

import hashlib
import mimetypes
from functools import cache
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response, status
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates

from mushroom_tasks.curation.report import PREFIX as REPORTS_PREFIX

router = APIRouter()

_FOLDER = Path(__file__).parent
_templates = Jinja2Templates(_FOLDER / "templates")


@router.get("/", response_class=HTMLResponse)
def page(request: Request) -> Response:
    """Return the page."""
    return _templates.TemplateResponse(request, "page.html", {"version": _version(), "reports": f"..{REPORTS_PREFIX}"})


@router.get("/static/{version}/{name}", response_class=Response)
def static(version: str, name: str) -> Response:
    """Return a script or style; their address changes with any of them, so that browsers may keep them."""
    if version != _version():
        raise HTTPException(status.HTTP_404_NOT_FOUND, "The page was updated: load it again.")
    return _file(name, "private, max-age=31536000, immutable")


@router.get("/menu.svg", response_class=Response)
def menu_icon() -> Response:
    """Return the icon of Airflow's menu, which has to have a lasting address."""
    return _file("menu.svg", "private, max-age=86400")


def _file(name: str, cache_control: str) -> Response:
    try:
        data = _files()[name]
    except KeyError:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such file.") from None
    kind = mimetypes.guess_type(name)[0]
    return Response(data, media_type=kind, headers={"Cache-Control": cache_control})


@cache
def _files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((_FOLDER / "static").iterdir())}


@cache
def _version() -> str:
    content = hashlib.sha256()
    for name, data in _files().items():
        content.update(f"{name} {len(data)} ".encode() + data)
    return content.hexdigest()[:12]
