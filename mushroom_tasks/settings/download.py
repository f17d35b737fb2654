"""How photos are fetched and kept."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from mushroom_tasks.settings.section import Section

PhotoSize = Literal["original", "large", "medium", "small", "thumb", "square"]
_LEAST_SIDE = 32


class DownloadSettings(Section):
    """Photos over HTTP(S)."""

    size: PhotoSize = Field("medium", description="iNaturalist's photo size; medium is at most 500 px wide.")
    connections: int = Field(32, ge=1, le=256, description="Photos under way at once, per shard.")
    max_rate: float = Field(
        0.0, ge=0, le=100_000, description="Requests a second at the most, over all shards; 0 sets no limit."
    )
    retries: int = Field(4, ge=0, le=20, description="Further tries of a photo that failed in passing.")
    timeout: float = Field(30.0, gt=0, le=600, description="Seconds for one photo.")
    max_outage: float = Field(
        300.0, gt=0, le=86_400, description="Seconds that a source may refuse everything before the stage gives up."
    )
    max_bytes: int = Field(30_000_000, ge=1000, description="A larger file is recorded as too large.")
    max_failed_ratio: float = Field(0.1, ge=0, le=1, description="Share of failed photos beyond which the stage fails.")
    small_side: int = Field(
        0, ge=0, le=2048, description="Shorter side in pixels of a smaller copy that training reads; 0 makes none."
    )
    shards: int = Field(4, ge=1, le=64, description="Mapped tasks the download is cut into.")

    @field_validator("small_side")
    @classmethod
    def _check_side(cls, side: int) -> int:
        if 0 < side < _LEAST_SIDE:
            raise ValueError(f"small_side is 0 (no copy) or at least {_LEAST_SIDE}")
        return side
