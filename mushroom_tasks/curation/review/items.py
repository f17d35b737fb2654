"""The photos of a review set, page by page.

Each page is one query that an index answers in the order of the page, however many photos the set has: it continues
behind the last rank, and skips nothing when photos are decided in between.

    page = items(engine, "ab12", Filters(finding="stray_cluster"))
    page = items(engine, "ab12", Filters(finding="stray_cluster"), cursor=page.next_cursor)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Engine, Select, not_, or_, select

from mushroom_tasks.curation.reasons import DOUBTS, REASONS, VERDICTS
from mushroom_tasks.curation.review.sets import set_number
from mushroom_tasks.db.engine import explained
from mushroom_tasks.db.models import ReviewItem, ReviewSpecies
from mushroom_tasks.errors import CurationError
from mushroom_tasks.manifests import QUALITY_ISSUES

Show = Literal["waiting", "flagged", "pruned", "doubtful", "kept", "decided", "all"]


@dataclass(frozen=True)
class Filters:
    """Which photos of a set a page shows.

    Attributes
    ----------
    show
        `waiting`: pruned or doubtful by the rules, and no verdict yet. `flagged`: pruned or doubtful, decided or not;
        `pruned` and `doubtful` one of the two. `kept`: what the rules have no doubt about. `decided`: with a verdict.
        `all`: every photo.
    taxon_id, observer_id
        One species; one photographer.
    finding
        A reason or a doubt, a code of `curation.reasons`.
    quality_issue
        What makes a photo poor, a key of `manifests.QUALITY_ISSUES`, whatever its reason.
    verdict
        One of `VERDICTS`; goes with any `show` but `waiting`.
    """

    show: Show = "waiting"
    taxon_id: int | None = None
    observer_id: int | None = None
    finding: str | None = None
    quality_issue: str | None = None
    verdict: str | None = None


@dataclass(frozen=True)
class Item:
    """One photo of a review set: what it is, what the rules found, what people decided.

    `is_outlier` is the rules' choice; `scientific_name` the species it is filed under, `suggested_name` the one it
    resembles more. `path` and `sha256` are those of the photo in the store.
    """

    rank: int
    photo_id: int
    taxon_id: int
    observation_uuid: str
    observer_id: int
    login: str | None
    observer_name: str | None
    license: str
    split: str
    path: str
    sha256: str
    cluster_label: int
    is_outlier: bool
    reason: str
    outlier_score: float
    doubt: str | None
    label_score: float | None
    suggested_taxon_id: int | None
    duplicate_of: int | None
    quality_issue: str | None
    verdict: str | None
    decided_by: str | None
    decided_at: datetime | None
    scientific_name: str
    suggested_name: str | None


@dataclass(frozen=True)
class ItemPage:
    """Some photos of a set in order; `next_cursor` is where the next page starts, None on the last one."""

    items: list[Item]
    next_cursor: int | None


def items(
    engine: Engine, fingerprint: str, filters: Filters | None = None, *, cursor: int | None = None, limit: int = 60
) -> ItemPage:
    """Return a page of photos: by species, in it the pruned, the doubtful and the kept, the most outlying first.

    `cursor` is the `next_cursor` of the page before. CurationError where there is no such set, or a code is unknown.
    """
    chosen = _conditions(filters or Filters())
    if cursor is not None:
        chosen.append(ReviewItem.rank > cursor)
    with explained(engine), engine.connect() as connection:
        number = set_number(connection, fingerprint)
        rows = connection.execute(_page(number, chosen).limit(limit + 1)).all()
    found = [Item(*row) for row in rows[:limit]]
    return ItemPage(found, found[-1].rank if len(rows) > limit else None)


def find_items(engine: Engine, fingerprint: str, photo_ids: Sequence[int]) -> list[Item]:
    """Return some photos of a set, those it has, in its order; CurationError where there is no such set."""
    with explained(engine), engine.connect() as connection:
        number = set_number(connection, fingerprint)
        return [Item(*row) for row in connection.execute(_page(number, [ReviewItem.photo_id.in_(photo_ids)]))]


def _page(number: int, conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    # Names are looked up for the rows of the page alone, or the join might be done for the whole set.
    names = [name for name in Item.__dataclass_fields__ if name not in ("scientific_name", "suggested_name")]
    columns = [getattr(ReviewItem, name) for name in names]
    named = [_name(number, taxon_id) for taxon_id in (ReviewItem.taxon_id, ReviewItem.suggested_taxon_id)]
    return select(*columns, *named).where(ReviewItem.set_id == number, *conditions).order_by(ReviewItem.rank)


def _name(number: int, taxon_id: Any) -> Any:
    named = select(ReviewSpecies.scientific_name).where(ReviewSpecies.set_id == number)
    return named.where(ReviewSpecies.taxon_id == taxon_id).scalar_subquery()


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    # Written as the conditions of the partial indexes are, or the planner does not see that they fit.
    is_flagged = or_(ReviewItem.is_outlier, ReviewItem.doubt.is_not(None))
    shown: dict[str, list[ColumnElement[bool]]] = {
        "waiting": [ReviewItem.verdict.is_(None), is_flagged],
        "flagged": [is_flagged],
        "pruned": [is_flagged, ReviewItem.is_outlier.is_(True)],
        "doubtful": [is_flagged, not_(ReviewItem.is_outlier), ReviewItem.doubt.is_not(None)],
        "decided": [ReviewItem.verdict.is_not(None)],
        "kept": [not_(ReviewItem.is_outlier), ReviewItem.doubt.is_(None)],
        "all": [],
    }
    if filters.show not in shown:
        raise CurationError(f"a page shows one of {list(shown)}. Received: {filters.show!r}")
    chosen = shown[filters.show]
    if filters.taxon_id is not None:
        chosen.append(ReviewItem.taxon_id == filters.taxon_id)
    if filters.observer_id is not None:
        chosen.append(ReviewItem.observer_id == filters.observer_id)
    if filters.finding is not None:
        chosen.append(_found(filters.finding))
    if filters.quality_issue is not None:
        if filters.quality_issue not in QUALITY_ISSUES:
            raise CurationError(
                f"an issue of quality is one of {list(QUALITY_ISSUES)}. Received: {filters.quality_issue!r}"
            )
        chosen.append(ReviewItem.quality_issue == filters.quality_issue)
    if filters.verdict is not None:
        if filters.verdict not in VERDICTS:
            raise CurationError(f"a verdict is one of {list(VERDICTS)}. Received: {filters.verdict!r}")
        chosen.append(ReviewItem.verdict == filters.verdict)
    return chosen


def _found(code: str) -> ColumnElement[bool]:
    if code in DOUBTS:
        return ReviewItem.doubt == code
    if code in REASONS:
        return ReviewItem.reason == code
    raise CurationError(f"a finding is one of {[*REASONS, *DOUBTS]}. Received: {code!r}")
