"""What the report of a data set shows."""

from __future__ import annotations

from pydantic import Field

from mushroom_tasks.settings.section import Section


class ReportSettings(Section):
    """Contact sheets and the map of the embeddings."""

    photos_per_class: int = Field(24, ge=0, le=96, description="Photos on a contact sheet, at most; 0: no photo.")
    max_photos: int = Field(
        6_000, ge=0, description="Photos on all contact sheets, at most: with many species each shows fewer."
    )
    map_photos: int = Field(2_000, ge=0, le=10_000, description="Photos on the map of the embeddings, at most.")
