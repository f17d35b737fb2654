"""The invented species of the sample bucket, with their invented taxonomy and how they are drawn.

    SPECIES[0].name      # "Stellavolva rubriceps"
"""

from __future__ import annotations

from dataclasses import dataclass

from mushroom_tasks.sample.drawing.recipe import Recipe
from mushroom_tasks.sample import recipes


@dataclass(frozen=True)
class Species:
    """A species that does not exist; `lineage` names phylum, class, order and family."""

    name: str
    lineage: tuple[str, str, str, str]
    recipe: Recipe

    @property
    def genus(self) -> str:
        """The first word of the name."""
        return self.name.split(" ")[0]

    @property
    def label(self) -> str:
        """The name as `truth.csv` writes it."""
        return self.name.replace(" ", "_")
