"""Which photos become a data set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from mushroom_tasks.settings.section import Section

LICENSES = ("CC0", "CC-BY", "CC-BY-NC", "CC-BY-SA", "CC-BY-ND", "CC-BY-NC-SA", "CC-BY-NC-ND", "PD")


class SelectionSettings(Section):
    """N photos of M species."""

    species_count: int = Field(
        500, ge=2, le=20_000, description="Species at the most; those with the most photos come first."
    )
    photos_per_species: int = Field(500, ge=1, le=100_000, description="Photos per species at the most.")
    min_photos_per_species: int = Field(20, ge=1, le=100_000, description="Species with fewer photos are left out.")
    max_photos_per_observation: int = Field(10, ge=1, le=1000, description="Photos of one observation at the most.")
    max_photos_per_observer: int = Field(
        100, ge=1, le=100_000, description="Photos of one species by one observer at the most."
    )
    quality_grades: tuple[Literal["research", "needs_id", "casual"], ...] = Field(
        ("research",), min_length=1, description="iNaturalist quality grades that are allowed."
    )
    licenses: tuple[str, ...] = Field(LICENSES, min_length=1, description="Photo licences that are allowed.")
    validation_share: float = Field(0.15, gt=0, lt=0.5, description="Share of observers in the validation split.")
    test_share: float = Field(0.15, gt=0, lt=0.5, description="Share of observers in the test split.")
    seed: int = Field(1, ge=0, description="Seed of the hashes that sample photos and split observers.")

    @model_validator(mode="after")
    def _check(self) -> SelectionSettings:
        unknown = sorted(set(self.licenses) - set(LICENSES))
        if unknown:
            raise ValueError(f"unknown licences {unknown}; iNaturalist has {list(LICENSES)}")
        if self.min_photos_per_species > self.photos_per_species:
            raise ValueError("min_photos_per_species is larger than photos_per_species")
        return self
