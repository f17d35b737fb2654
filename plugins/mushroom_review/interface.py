"""The JSON interface: sets, species, photos, decisions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, status
from sqlalchemy import Engine

from mushroom_review.access import ONLY_LOOK, Editor, MayDecide, Reader
from mushroom_review.records import (
    Decision,
    Finding,
    ItemPageRecord,
    ItemRecord,
    LogRecord,
    Number,
    Outcome,
    SetRecord,
    SpeciesPageRecord,
    SpeciesRecord,
    Standing,
    Start,
    Undo,
    Verdict,
)
from mushroom_review.resources import EngineDep
from mushroom_tasks.curation import review
from mushroom_tasks.curation.review.items import Show

router = APIRouter(prefix="/api")


@router.get("/start")
def start(user: Reader, may: MayDecide, engine: EngineDep) -> Start:
    """Return who looks, the words for the codes, and the sets."""
    sets = [SetRecord.model_validate(found) for found in review.sets(engine)]
    return Start(user=user.get_name(), may_decide=may, only_look=ONLY_LOOK, sets=sets)


@router.get("/sets/{fingerprint}")
def read_set(fingerprint: str, engine: EngineDep) -> SetRecord:
    """Return a set and how far its review has come."""
    return SetRecord.model_validate(review.find_set(engine, fingerprint))


@router.get("/sets/{fingerprint}/species")
def read_species(
    fingerprint: str,
    engine: EngineDep,
    search: Annotated[str, Query(max_length=200)] = "",
    waiting: bool = False,
    after: Annotated[int | None, Query(ge=-1, lt=1 << 31)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> SpeciesPageRecord:
    """Return a page of a set's species, by name."""
    page = review.species(engine, fingerprint, search=search, waiting_only=waiting, after=after, limit=limit)
    return SpeciesPageRecord(
        species=[SpeciesRecord.model_validate(found) for found in page.species], next=page.next_cursor
    )


@router.get("/sets/{fingerprint}/items")
def read_items(
    fingerprint: str,
    engine: EngineDep,
    show: Show = "waiting",
    taxon: Number | None = None,
    observer: Number | None = None,
    finding: Finding | None = None,
    verdict: Verdict | None = None,
    after: Annotated[int | None, Query(ge=-1, lt=1 << 31)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 60,
) -> ItemPageRecord:
    """Return a page of a set's photos."""
    filters = review.Filters(show=show, taxon_id=taxon, observer_id=observer, finding=finding, verdict=verdict)
    page = review.items(engine, fingerprint, filters, cursor=after, limit=limit)
    return ItemPageRecord(items=[ItemRecord.of(item) for item in page.items], next=page.next_cursor)


@router.get("/sets/{fingerprint}/photos/{photo_id}/log")
def read_history(fingerprint: str, photo_id: Number, engine: EngineDep) -> list[LogRecord]:
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
def decide(decision: Decision, user: Editor, engine: EngineDep) -> Outcome:
    """Decide on photos of a set; 404, and nothing is written, where one of them is not in it."""
    found = review.find_items(engine, decision.fingerprint, [photo_id for photo_id, _ in decision.photos])
    known = {(item.photo_id, item.taxon_id) for item in found}
    if unknown := [photo_id for photo_id, taxon_id in decision.photos if (photo_id, taxon_id) not in known]:
        raise _missing(unknown)
    batch = review.decide(engine, decision.photos, decision.verdict, user.get_name())
    return _outcome(engine, decision.fingerprint, batch, [photo_id for photo_id, _ in decision.photos])


@router.post("/undo")
def undo(wanted: Undo, user: Editor, engine: EngineDep) -> Outcome:
    """Take a batch of decisions back, as far as nobody decided anew since; 404 where there is none."""
    review.find_set(engine, wanted.fingerprint)
    batch = review.undo(engine, wanted.batch, user.get_name())
    return _outcome(engine, wanted.fingerprint, batch, wanted.shown)


def _outcome(engine: Engine, fingerprint: str, batch: review.Batch, photo_ids: list[int]) -> Outcome:
    items = review.find_items(engine, fingerprint, photo_ids) if photo_ids else []
    return Outcome(
        batch=batch.batch,
        photos=batch.photos,
        items=[Standing.model_validate(item) for item in items],
        set=read_set(fingerprint, engine),
    )


def _missing(photo_ids: list[int]) -> HTTPException:
    named = ", ".join(map(str, photo_ids[:5]))
    return HTTPException(
        status.HTTP_404_NOT_FOUND,
        f"{len(photo_ids)} photos are not in this data set (any more): {named}. Load the page again.",
    )
