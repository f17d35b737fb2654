"""What of a snapshot enters PostgreSQL, and what stops a load."""

from __future__ import annotations

from pydantic import Field

from mushroom_tasks.settings.section import Section


class IngestSettings(Section):
    """What of a snapshot enters PostgreSQL."""

    max_malformed_ratio: float = Field(
        0.001, ge=0, le=1, description="Share of malformed rows per table beyond which a load is refused."
    )
    min_rows_ratio: float = Field(
        0.8,
        ge=0,
        le=1,
        description="A snapshot with fewer rows in any of its files than this share of the last load's is refused as "
        "damaged.",
    )
    min_kept_ratio: float = Field(
        0.5,
        ge=0,
        le=1,
        description="A load that keeps fewer rows of any table than this share of the last load of the same root taxa "
        "is refused as damaged.",
    )
    max_withdrawn_ratio: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Where a load misses a larger share of the photos of the one before, none of them counts as "
        "withdrawn, and so none is deleted from the store.",
    )
    max_orphan_ratio: float = Field(
        0.3,
        ge=0,
        le=1,
        description="A load is refused as damaged where a larger share of rows points to what is not there: "
        "observations to a taxon, photos to an observer; or where more of the observations have no photo.",
    )
