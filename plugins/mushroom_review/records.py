"""What the page gets and sends, as JSON, where it is not as `curation.review` has it.

Names and texts are as they are in the tables: the page shows them as text.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Annotated
from uuid import UUID

from mushroom_web.fingerprints import Fingerprint
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mushroom_tasks.curation import reasons
from mushroom_tasks.curation.dataset import attribution
from mushroom_tasks.curation.review import Item, LogEntry, ReviewSet
from mushroom_tasks.manifests import QUALITY_ISSUES

MAX_PHOTOS = 5_000  # in one request


def _one_of(codes: Collection[str]) -> AfterValidator:
    def known(code: str) -> str:
        if code not in codes:
            raise ValueError(f"this has to be one of {sorted(codes)}")
        return code

    return AfterValidator(known)


Finding = Annotated[str, _one_of({**reasons.REASONS, **reasons.DOUBTS})]
Issue = Annotated[str, _one_of(QUALITY_ISSUES)]
Verdict = Annotated[str, _one_of(reasons.VERDICTS)]
Number = Annotated[int, Field(ge=0, lt=1 << 53)]  # an id: what JavaScript and the tables hold


class Start(BaseModel):
    """What the page needs first: who looks, the words for the codes, the sets."""

    user: str
    may_decide: bool
    only_look: str
    kept: dict[str, str] = reasons.KEPT
    pruned: dict[str, str] = reasons.PRUNED
    doubts: dict[str, str] = reasons.DOUBTS
    issues: dict[str, str] = QUALITY_ISSUES
    verdicts: dict[str, str] = reasons.VERDICTS
    sets: list[ReviewSet]


class ItemRecord(BaseModel):
    """A photo of a set, without what concerns the store alone, and with its credit as people read it.

    `suggested_name` is the species it may show instead, where that is what is doubted.
    """

    photo_id: int
    taxon_id: int
    scientific_name: str
    observer_id: int
    photographer: str
    license: str
    license_url: str
    observation_url: str
    split: str
    is_outlier: bool
    reason: str
    doubt: str | None
    outlier_score: float
    label_score: float | None
    suggested_name: str | None
    duplicate_of: int | None
    quality_issue: str | None
    content: str  # changes when the picture does
    verdict: str | None
    decided_by: str | None
    decided_at: datetime | None

    @classmethod
    def of(cls, item: Item) -> ItemRecord:
        """Return the record of an item."""
        licence = attribution.LICENSES.get(item.license)
        shared = {name: getattr(item, name) for name in cls.model_fields if hasattr(item, name)}
        return cls(
            **shared
            | {
                "license": licence.short if licence else item.license,
                "license_url": licence.url if licence else "",
                "photographer": attribution.photographer(item.observer_name, item.login),
                "observation_url": attribution.observation_url(item.photo_id, item.observation_uuid),
                # Every photo resembles some other species most; that means something only where its label is suspected.
                "suggested_name": item.suggested_name if item.doubt == reasons.SUSPECTED_LABEL else None,
                "content": item.sha256[:16],
            }
        )


class ItemPageRecord(BaseModel):
    """A page of photos; `next_cursor` as in `review.ItemPage`."""

    items: list[ItemRecord]
    next_cursor: int | None


class Decision(BaseModel):
    """A verdict for some photos of a set, each as [photo_id, taxon_id]."""

    model_config = ConfigDict(extra="forbid")

    fingerprint: Fingerprint
    verdict: Verdict
    photos: Annotated[list[tuple[Number, Number]], Field(min_length=1, max_length=MAX_PHOTOS)]


class Undo(BaseModel):
    """A batch to take back, and the photos that the page shows."""

    model_config = ConfigDict(extra="forbid")

    fingerprint: Fingerprint
    batch: UUID
    shown: Annotated[list[Number], Field(max_length=MAX_PHOTOS)] = []


class Standing(BaseModel):
    """The verdict in force for a photo."""

    model_config = ConfigDict(from_attributes=True)

    photo_id: int
    taxon_id: int
    verdict: str | None
    decided_by: str | None
    decided_at: datetime | None


class Receipt(BaseModel):
    """What was written: the batch and its photos, how the photos of the page stand now, and the set's progress."""

    batch: UUID
    photos: int
    items: list[Standing]
    set: ReviewSet


class LogRecord(BaseModel):
    """One row of the log, which is no dataclass but one of the tables'; `verdict` is null where an undo left none."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    photo_id: int
    verdict: str | None
    decided_by: str
    decided_at: datetime
    batch: UUID
    undoes: UUID | None
    scientific_name: str | None = None

    @classmethod
    def of(cls, entry: LogEntry) -> LogRecord:
        """Return the record of an entry."""
        return cls.model_validate(entry.decision).model_copy(update={"scientific_name": entry.scientific_name})
