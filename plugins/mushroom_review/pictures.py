"""The photos themselves, always as copies made here: a grid's small one, and a large one."""

from __future__ import annotations

from functools import partial
from typing import Literal

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, HTTPException, Request, Response, status
from mushroom_web.fingerprints import Fingerprint
from sqlalchemy import Engine

from mushroom_review.records import Number
from mushroom_review.resources import EngineDep, StoreDep
from mushroom_tasks.curation import review
from mushroom_tasks.errors import PhotoError
from mushroom_tasks.photos.thumbnails import GRID_SIDE, LARGE_SIDE, thumbnail
from mushroom_tasks.storage import Store

router = APIRouter()

Size = Literal["grid", "large"]
SIDES: dict[Size, int] = {"grid": GRID_SIDE, "large": LARGE_SIDE}
# Of the content that the address names; private, for only who is signed in may see it.
_FOREVER = "private, max-age=31536000, immutable"
# Airflow's own API shares the server's forty threads: a grid of photos to be made must not take them all.
_THREADS = CapacityLimiter(4)


@router.get("/pictures/{fingerprint}/{photo_id}/{size}.jpg", response_class=Response)
async def picture(
    fingerprint: Fingerprint,
    photo_id: Number,
    size: Size,
    request: Request,
    engine: EngineDep,
    store: StoreDep,
) -> Response:
    """Return a photo of a set as JPEG; 404 where the set does not have it, or the store lost it."""
    known = request.headers.get("if-none-match")
    answer = partial(_answer, engine, store, fingerprint, photo_id, size, known)
    return await to_thread.run_sync(answer, limiter=_THREADS)


def _answer(engine: Engine, store: Store, fingerprint: str, photo_id: int, size: Size, known: str | None) -> Response:
    found = review.find_items(engine, fingerprint, [photo_id])
    if not found:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "This photo is not in this data set.")
    item = found[0]
    headers = {"Cache-Control": _FOREVER, "ETag": f'"{item.sha256}-{size}"'}
    if known == headers["ETag"]:
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
    try:
        data = thumbnail(store, photo_id, item.path, item.sha256, SIDES[size])
    except FileNotFoundError:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "This photo is not in the store any more.") from None
    except PhotoError as error:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"This photo cannot be shown: {error.reason}.") from None
    return Response(data, media_type="image/jpeg", headers=headers)
