"""Which photos are too poor to learn from, and which are the same picture."""

from __future__ import annotations

from pydantic import Field

from mushroom_tasks.settings.section import Section


class QualitySettings(Section):
    """Limits beyond which a photo is flagged as `poor_quality`. Cautious: what a person could still name passes."""

    min_side: int = Field(
        32, ge=0, le=4096, description="Pixels of the shorter side below which a photo is tiny; 0 sets no limit."
    )
    max_aspect: float = Field(
        5.0, ge=1, le=1000, description="Longer side over shorter side beyond which a photo is too narrow."
    )
    min_brightness: float = Field(
        0.15,
        ge=0,
        le=1,
        description="A photo is dark where its brightest hundredth is below this (0 black, 1 white); 0 sets no limit.",
    )
    min_contrast: float = Field(
        0.02,
        ge=0,
        le=0.5,
        description="A photo is blank where the standard deviation of its luma is below this; 0 sets no limit.",
    )
    max_text_share: float = Field(
        0.5, ge=0, le=1, description="Share of a photo that looks like print beyond which it is text; 1 sets no limit."
    )
    min_sharpness: float = Field(
        0.9,
        ge=0,
        le=4,
        description="A photo is blurred where its sharpest part is below this; a photo 500 pixels long that is blurred "
        "by 1 pixel has about 1.6, by 3 pixels 0.7; 0 sets no limit.",
    )


class DuplicateSettings(Section):
    """When two photos are one picture: where differing bits / `max_bits` + distance / `max_distance` is at most 1."""

    max_bits: int = Field(
        20,
        ge=0,
        le=32,
        description="Bits of the perceptual hash, of 64, that may differ where the embeddings are equal; 0 finds equal "
        "files only.",
    )
    max_distance: float = Field(
        1.0,
        gt=0,
        le=2,
        description="Distance of the embeddings (scaled to unit length: 0 to 2) that there may be where the hashes are "
        "equal.",
    )
