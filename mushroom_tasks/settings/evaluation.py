"""Evaluation: how sure an answer has to be."""

from __future__ import annotations

from pydantic import Field

from mushroom_tasks.settings.section import Section


class EvaluationSettings(Section):
    """What is promised of answers on held-out observers; thresholds are fitted on the validation split to keep it."""

    answers_right: float = Field(
        0.9,
        gt=0.5,
        lt=1,
        description="Share of the answers that has to be right at each rank (species, else genus, else family).",
    )
    accepted: float = Field(
        0.95,
        gt=0.5,
        lt=1,
        description="Share of the photos of known species that must not be refused as none of these.",
    )
    unknown_photos: str = Field(
        "",
        pattern=r"^[\w./-]*$",
        description="Folder of the store with photos of none of the species (other kingdoms, hands, scenery): half of "
        "them help to choose how photos are refused, half are reported on; empty: only what pruning flagged.",
    )
