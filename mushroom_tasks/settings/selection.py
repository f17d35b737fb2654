"""Which photos become a data set."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from mushroom_tasks.settings.section import Section

LEAST_SPECIES = 2  # nothing can be told apart with fewer
LICENSES = ("CC0", "CC-BY", "CC-BY-NC", "CC-BY-SA", "CC-BY-ND", "CC-BY-NC-SA", "CC-BY-NC-ND", "PD")

# An id or a name; TOML and JSON give ids as numbers.
TaxonReference = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) and not isinstance(value, bool) else value),
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
]
CountryCode = Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z]{2}$")]


class SelectionSettings(Section):
    """N photos of M species."""

    species_count: int = Field(
        500, ge=LEAST_SPECIES, le=20_000, description="Species at the most; those with the most photos come first."
    )
    species: tuple[TaxonReference, ...] = Field(
        (),
        max_length=20_000,
        description="Species to take, as taxon ids or scientific names; empty: the species_count with the most photos. "
        "Where it is given, species_count has no effect.",
    )
    exclude: tuple[TaxonReference, ...] = Field(
        (),
        max_length=20_000,
        description="Taxa to leave out with all that descends from them, as taxon ids or scientific names: a species, "
        "a variety, or a whole branch.",
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
    observed_from: date | None = Field(
        None, description="First day of observation, as 2020-01-31; empty: any. What has no date is then left out."
    )
    observed_to: date | None = Field(
        None, description="Last day of observation, as 2025-12-31; empty: any. What has no date is then left out."
    )
    bounding_box: tuple[float, ...] = Field(
        (),
        max_length=4,
        description="Where it was observed: west, south, east and north in degrees, as 4.5, 54, 15.5, 58; empty: "
        "anywhere. West may be larger than east: the box then crosses the antimeridian, as 170, -50, -170, -30.",
    )
    countries: tuple[CountryCode, ...] = Field(
        (),
        max_length=250,
        description="Countries it was observed in, by their ISO 3166 code (two letters), as DK; empty: anywhere. "
        "Needs the extra `countries`.",
    )
    min_anomaly_score: float | None = Field(
        None,
        ge=0,
        le=100,
        description="iNaturalist's geographic score (its column anomaly_score) at the least; empty: any. Below 1 its "
        "Geomodel does not expect the taxon there, the lower the less. What has no score is kept.",
    )
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
        if self.observed_from and self.observed_to and self.observed_from > self.observed_to:
            raise ValueError(f"observed_from {self.observed_from} is later than observed_to {self.observed_to}")
        self._check_box()
        return self

    def _check_box(self) -> None:
        if not self.bounding_box:
            return
        if len(self.bounding_box) != 4:
            raise ValueError("bounding_box takes four numbers: west, south, east, north")
        west, south, east, north = self.bounding_box
        if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90) or west == east:
            raise ValueError(
                "bounding_box takes west and east from -180 to 180, and south up to north from -90 to 90. Received "
                f"west {west:g}, south {south:g}, east {east:g}, north {north:g}"
            )
