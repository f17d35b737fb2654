"""What of a snapshot enters PostgreSQL, and what stops a load."""

from __future__ import annotations

from pydantic import Field

from mushroom_tasks.settings.section import Section


class IngestSettings(Section):
    """What of a snapshot enters PostgreSQL."""

    max_malformed_ratio: float = Field(
        0.001, ge=0, le=1, description="Share of malformed rows per table beyond which a load is refused."
    )
    min_kept_ratio: float = Field(
        0.5,
        ge=0,
        le=1,
        description="A load with fewer photos than this share of the last load's is refused as damaged.",
    )
