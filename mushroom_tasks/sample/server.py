"""A read-only web server of a bucket's files, in the place of iNaturalist's public bucket.

It answers GET and HEAD with ETag, Last-Modified and ranges, as an object store does, and lists nothing.

    serve(Path("sample"), "127.0.0.1", 8090)         # blocks until Ctrl-C
    web.AppRunner(application(Path("sample")))       # inside a running event loop
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from xml.sax.saxutils import escape

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from mushroom_tasks.errors import ServiceError, SettingsError

_ROOT = web.AppKey("root", Path)
_METHODS = ("GET", "HEAD")
_CONTENT_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gz": "application/gzip"}


def application(folder: Path) -> web.Application:
    """Return an aiohttp application that serves the regular files below a folder.

    Raises SettingsError where the folder does not exist.
    """
    root = folder.resolve()
    if not root.is_dir():
        raise SettingsError(f"there is no bucket to serve: the folder does not exist. Received: {str(folder)!r}")
    app = web.Application()
    app[_ROOT] = root
    app.router.add_route("*", "/{key:.*}", _answer)
    return app


def serve(folder: Path, host: str, port: int) -> None:
    """Serve a bucket until the process is interrupted or terminated.

    Raises SettingsError where the folder does not exist, ServiceError where the address cannot be bound.
    """
    app = application(folder)
    try:
        web.run_app(app, host=host, port=port, print=None, access_log=None)
    except (OSError, OverflowError) as error:
        raise ServiceError(
            f"the bucket cannot be served on {host}:{port}: {error}. Choose a free port, or stop what holds this one."
        ) from error


async def _answer(request: web.Request) -> web.StreamResponse:
    key = request.match_info["key"]
    if request.method not in _METHODS:
        return _error(405, "MethodNotAllowed", "The bucket is read-only: GET and HEAD.", key, Allow=", ".join(_METHODS))
    try:
        path = await asyncio.to_thread(_locate, request.app[_ROOT], key)
    except PermissionError:
        return _error(403, "AccessDenied", "Access Denied", key)
    except FileNotFoundError:
        return _error(404, "NoSuchKey", "The specified key does not exist.", key)
    content_type = _CONTENT_TYPES.get(path.suffix.lower(), "application/octet-stream")
    return _ObjectResponse(path, headers={hdrs.CONTENT_TYPE: content_type, hdrs.ACCEPT_RANGES: "bytes"})


def _locate(root: Path, key: str) -> Path:
    """Return the file of a key; PermissionError where it may not be read, FileNotFoundError where there is none."""
    try:
        path = (root / key).resolve()
        if not key or key.startswith("/") or not path.is_relative_to(root):
            raise PermissionError(key)
        if key.endswith("/") or not path.is_file():
            raise FileNotFoundError(key)
        with path.open("rb"):
            return path
    except (ValueError, RuntimeError, NotADirectoryError) as error:
        # A key that no file system can hold (a null byte), or a loop of symbolic links.
        raise FileNotFoundError(key) from error
    except (PermissionError, FileNotFoundError):
        raise
    except OSError as error:  # a name too long, and the like
        raise FileNotFoundError(key) from error


class _ObjectResponse(web.FileResponse):
    """A FileResponse that also honours an ETag in If-Range (aiohttp reads only a date there).

    Without it, a download resumed after the file has changed would mix two files.
    """

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        expected = request.headers.get(hdrs.IF_RANGE, "")
        if expected.startswith(('"', "W/")) and hdrs.RANGE in request.headers:
            stat = await asyncio.to_thread(self._path.stat)
            if expected != f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"':
                headers = request.headers.copy()
                del headers[hdrs.RANGE]
                request = request.clone(headers=headers)
        return await super().prepare(request)


def _error(status: int, code: str, message: str, key: str, **headers: str) -> web.Response:
    """Return an object store's kind of error: a small XML document."""
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{escape(message)}</Message><Key>{escape(key)}</Key></Error>"
    )
    return web.Response(status=status, text=text, content_type="application/xml", headers=headers)
