"""How photos are fetched and kept."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mushroom_tasks.settings.section import Section

PhotoSize = Literal["original", "large", "medium", "small", "thumb", "square"]


class DownloadSettings(Section):
    """Photos over HTTP(S)."""

    size: PhotoSize = Field("medium", description="iNaturalist's photo size; medium is at most 500 px wide.")
    connections: int = Field(32, ge=1, le=256, description="Photos under way at once, per shard.")
    retries: int = Field(4, ge=0, le=20, description="Further tries of a photo that failed in passing.")
    timeout: float = Field(30.0, gt=0, le=600, description="Seconds for one photo.")
    max_bytes: int = Field(30_000_000, ge=1000, description="A larger file is recorded as too large.")
    max_failed_ratio: float = Field(0.1, ge=0, le=1, description="Share of failed photos beyond which the stage fails.")
    shards: int = Field(4, ge=1, le=64, description="Mapped tasks the download is cut into.")
