"""How the source of the metadata and photos is reached."""

from __future__ import annotations

from pydantic import Field

from mushroom_tasks.settings.section import Section


class SourceSettings(Section):
    """How the bucket is reached."""

    timeout: float = Field(60.0, gt=0, le=3600, description="Seconds without a byte before a request has failed.")
    retries: int = Field(5, ge=0, le=20, description="Further tries of a request that failed in passing.")
