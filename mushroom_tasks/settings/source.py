"""How the source of the metadata and photos is reached, and which of its snapshots is meant."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from mushroom_tasks.settings.section import Section


def _publication(value: str) -> str:
    if value in ("root", "latest"):
        return value
    try:
        if len(value) != 8 or not value.isdigit():
            raise ValueError
        datetime.strptime(value, "%Y%m%d")
    except ValueError:
        raise ValueError(
            "has to be root, latest, or the date of an archive as YYYYMMDD, for example 20250927"
        ) from None
    return value


class SourceSettings(Section):
    """How the bucket is reached, and which of its snapshots is meant."""

    snapshot: Annotated[str, AfterValidator(_publication)] = Field(
        "root",
        description="`root`: the four files at the bucket's root; `latest` or a date YYYYMMDD: that archive below "
        "`metadata/`, for a data set that can be made again from the very same snapshot.",
    )
    timeout: float = Field(60.0, gt=0, le=3600, description="Seconds without a byte before a request has failed.")
    retries: int = Field(
        5, ge=0, le=20, description="Further tries of a request that failed in passing; counted anew after each gain."
    )
    max_expansion: float = Field(
        50.0, ge=2, le=1032, description="A file that unpacks to more than this multiple of its size is refused."
    )
    keep_snapshots: int = Field(
        2, ge=1, le=100, description="Newest snapshots to keep in the store; the one that is loaded always stays."
    )
