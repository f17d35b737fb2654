"""The JSON interface: sets, species, photos, decisions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, status
from mushroom_web.access import Reader
from mushroom_web.fingerprints import Fingerprint
from sqlalchemy import Engine

from mushroom_review.editing import ONLY_LOOK, Editor, MayDecide
from mushroom_review.records import (
    Decision,
    Finding,
    Issue,
    ItemPageRecord,
    ItemRecord,
    LogRecord,
    Number,
    Receipt,
    Standing,
    Start,
    Undo,
    Verdict,
)
from mushroom_review.resources import EngineDep
from mushroom_tasks.curation import review
from mushroom_tasks.curation.review.items import Show

router = APIRouter(prefix="/api")

_SPECIES = 200  # on a page


@router.get("/start")
def start(user: Reader, may: MayDecide, engine: EngineDep) -> Start:
    """Return who looks, the words for the codes, and the sets."""
    return Start(user=user.get_name(), may_decide=may, only_look=ONLY_LOOK, sets=review.sets(engine))


@router.get("/sets/{fingerprint}")
def read_set(fingerprint: Fingerprint, engine: EngineDep) -> review.ReviewSet:
    """Return a set and how far its review has come."""
    return review.find_set(engine, fingerprint)


@router.get("/sets/{fingerprint}/species")
def read_species(
    fingerprint: Fingerprint,
    engine: EngineDep,
    search: Annotated[str, Query(max_length=200, pattern="^[^\\x00]*$")] = "",  # PostgreSQL's texts have no zero byte
    after: Annotated[int | None, Query(ge=-1, lt=1 << 31)] = None,
) -> review.SpeciesPage:
    """Return a page of a set's species, by name."""
    return review.species(engine, fingerprint, search=search, after=after, limit=_SPECIES)


@router.get("/sets/{fingerprint}/items")
def read_items(
    fingerprint: Fingerprint,
    engine: EngineDep,
    show: Show = "waiting",
    taxon: Number | None = None,
    observer: Number | None = None,
    finding: Finding | None = None,
    issue: Issue | None = None,
    verdict: Verdict | None = None,
    after: Annotated[int | None, Query(ge=-1, lt=1 << 31)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 60,
) -> ItemPageRecord:
    """Return a page of a set's photos."""
    filters = review.Filters(
        show=show, taxon_id=taxon, observer_id=observer, finding=finding, quality_issue=issue, verdict=verdict
    )
    page = review.items(engine, fingerprint, filters, cursor=after, limit=limit)
    return ItemPageRecord(items=[ItemRecord.of(item) for item in page.items], next_cursor=page.next_cursor)


@router.get("/sets/{fingerprint}/photos/{photo_id}/log")
def read_history(fingerprint: Fingerprint, photo_id: Number, engine: EngineDep) -> list[LogRecord]:
    """Return what was ever decided on a photo of a set, the newest first."""
    if not review.find_items(engine, fingerprint, [photo_id]):
        raise _missing([photo_id])
    return [LogRecord.model_validate(decision) for decision in review.history(engine, photo_id)]


@router.get("/log")
def read_log(
    engine: EngineDep,
    before: Annotated[int | None, Query(ge=0, lt=1 << 63)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> list[LogRecord]:
    """Return what was decided last, by anyone, the newest first."""
    return [LogRecord.of(entry) for entry in review.log(engine, before=before, limit=limit)]


@router.post("/decisions")
def decide(decision: Decision, user: Editor, engine: EngineDep) -> Receipt:
    """Decide on photos of a set; 404, and nothing is written, where one of them is not in it."""
    found = review.find_items(engine, decision.fingerprint, [photo_id for photo_id, _ in decision.photos])
    known = {(item.photo_id, item.taxon_id) for item in found}
    if unknown := [photo_id for photo_id, taxon_id in decision.photos if (photo_id, taxon_id) not in known]:
        raise _missing(unknown)
    batch = review.decide(engine, decision.photos, decision.verdict, user.get_name())
    return _receipt(engine, decision.fingerprint, batch, [photo_id for photo_id, _ in decision.photos])


@router.post("/undo")
def undo(wanted: Undo, user: Editor, engine: EngineDep) -> Receipt:
    """Take a batch of decisions back, as far as nobody decided anew since; 404 where there is none."""
    review.find_set(engine, wanted.fingerprint)
    batch = review.undo(engine, wanted.batch, user.get_name())
    return _receipt(engine, wanted.fingerprint, batch, wanted.shown)


def _receipt(engine: Engine, fingerprint: Fingerprint, batch: review.Batch, photo_ids: list[int]) -> Receipt:
    items = review.find_items(engine, fingerprint, photo_ids) if photo_ids else []
    return Receipt(
        batch=batch.batch,
        photos=batch.photos,
        items=[Standing.model_validate(item) for item in items],
        set=review.find_set(engine, fingerprint),
    )


def _missing(photo_ids: list[int]) -> HTTPException:
    named = ", ".join(map(str, photo_ids[:5]))
    return HTTPException(
        status.HTTP_404_NOT_FOUND,
        f"{len(photo_ids)} photos are not in this data set (any more): {named}. Load the page again.",
    )
