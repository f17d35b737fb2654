"""How photos of other sources are taken in: folders, Hugging Face data sets, iNaturalist's public API."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from mushroom_tasks.settings.section import Section


class ImportSettings(Section):
    """Other sources."""

    min_photos_per_species: int = Field(
        5, ge=1, le=100_000, description="Species of a folder or Hugging Face data set with fewer photos are left out."
    )
    max_failed_ratio: float = Field(
        0.1, ge=0, le=1, description="Share of unusable files beyond which an import fails."
    )
    api_url: str = Field("https://api.inaturalist.org/v1", description="iNaturalist's public API, for quick starts.")
    api_requests_per_minute: int = Field(
        60, ge=1, le=60, description="Requests to the API per minute at the most; iNaturalist asks for no more than 60."
    )
    api_requests_per_day: int = Field(
        10_000, ge=2, le=10_000, description="Requests to the API per day at the most; iNaturalist asks for no more."
    )
    api_retries: int = Field(5, ge=0, le=20, description="Further tries of a request that failed in passing.")
    api_timeout: int = Field(30, ge=1, le=600, description="Seconds for one request to the API.")

    @field_validator("api_url")
    @classmethod
    def _check(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
            raise ValueError("api_url has to be an http(s) address without a user name")
        return url.rstrip("/")
