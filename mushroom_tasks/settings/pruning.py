"""How outliers are found."""

from __future__ import annotations

from pydantic import Field

from mushroom_tasks.settings.section import Section


class PruningSettings(Section):
    """DBSCAN per class."""

    eps: float | None = Field(
        None, gt=0, le=2, description="Radius in L2-normalised feature space; empty: chosen per class from the data."
    )
    min_samples: int = Field(4, ge=2, le=100, description="DBSCAN's min_samples.")
    min_class_size: int = Field(10, ge=1, description="Classes with fewer photos are not pruned.")
    max_pruned_share: float = Field(
        0.35, gt=0, le=1, description="At most this share of a class is pruned, most outlying first."
    )
