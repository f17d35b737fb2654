"""How outliers are found."""

from __future__ import annotations

from pydantic import Field

from mushroom_tasks.settings.section import Section


class PruningSettings(Section):
    """DBSCAN per class, its radius chosen with regard to all classes; or plain DBSCAN with one eps."""

    eps: float | None = Field(
        None,
        gt=0,
        le=2,
        description="Radius between features of unit length, 0 to 2; empty: chosen per class from the data. A number "
        "makes it plain DBSCAN with this radius in every class, whose noise is pruned, and nothing else.",
    )
    min_samples: int = Field(
        4,
        ge=2,
        le=100,
        description="DBSCAN's min_samples. Where eps is chosen it counts people: a photo is typical when those of "
        "min_samples - 1 other people look like it.",
    )
    min_class_size: int = Field(10, ge=1, description="Classes with fewer photos are not pruned.")
    max_pruned_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="A class of which more than this share stands out is not pruned but put to review.",
    )
    min_kept: int = Field(
        8, ge=0, description="A class of which pruning would keep fewer photos is not pruned but put to review."
    )
