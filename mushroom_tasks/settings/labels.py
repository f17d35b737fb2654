"""How suspected wrong species are found."""

from __future__ import annotations

from pydantic import Field

from mushroom_tasks.settings.section import Section


class LabelSettings(Section):
    """Labels held against what photos by other people say."""

    min_odds: float = Field(
        100.0,
        gt=1,
        description="A label is suspected where another species of the data set is so many times as probable. With "
        "one label in fifty wrong, 100 leaves more suspects right than wrong.",
    )
    prune_suspects: bool = Field(
        False,
        description="Leave out photos under a suspected label, and of a picture that is there under several species "
        "all but the one with the likeliest label; otherwise both are only put to review.",
    )
    folds: int = Field(
        8, ge=2, le=64, description="Groups of observers; the photos of each are judged by those of all the others."
    )
