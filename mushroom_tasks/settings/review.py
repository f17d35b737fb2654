"""How people review what the rules found."""

from __future__ import annotations

from pydantic import Field

from mushroom_tasks.settings.section import Section


class ReviewSettings(Section):
    """The page where people decide."""

    keep_sets: int = Field(
        3, ge=1, le=100, description="So many data sets stay on the page, the newest; decisions are kept for ever."
    )
    wait_for_approval: bool = Field(
        False, description="Wait for a person's approval before the data set is published; decide on its photos first."
    )
