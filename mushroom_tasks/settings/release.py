"""Export and registry: what leaves the workflow, and the gates before it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mushroom_tasks.settings.section import Section

Precision = Literal["float32", "float16", "dynamic", "int8"]


class ExportSettings(Section):
    """LiteRT models and the bundle."""

    precisions: tuple[Precision, ...] = Field(
        ("float32", "float16", "dynamic", "int8"), min_length=1, description="Variants to export."
    )
    representative_photos: int = Field(
        200, ge=8, le=10_000, description="Training photos that calibrate the int8 variant."
    )
    min_agreement: float = Field(
        0.9, ge=0, le=1, description="Least top-1 agreement with Keras on the test split, for every variant."
    )
    common_names: str = Field(
        "",
        description="CSV with common names for species.json: columns scientific_name, common_name and language (such "
        "as `en`); iNaturalist's open data have none. Empty: no common names.",
    )


class RegistrySettings(Section):
    """The gates before the alias `champion` moves."""

    model_name: str = Field("mushroom-classifier", pattern=r"^[\w.-]+$", description="Registered model in MLflow.")
    max_model_mb: float = Field(5.0, gt=0, description="Largest size of the smallest variant, in MB.")
    max_accuracy_drop: float = Field(
        0.02,
        ge=0,
        le=1,
        description="How far a challenger's top-1 may be below the champion's on the same data set.",
    )
    max_accuracy_drop_refresh: float = Field(
        0.1,
        ge=0,
        le=1,
        description="The same where the champion was measured on another data set, and so on other photos.",
    )
