"""How training photos are changed each time they are seen: cropped, turned, recoloured, mixed."""

from __future__ import annotations

from pydantic import Field

from mushroom_tasks.settings.section import Section


class AugmentationSettings(Section):
    """Changes of training photos; 0 (or 1 for `crop_area` and `crop_aspect`) turns one off.

    The crop does what translation and zoom do, on the photo as it is stored: they are for recipes without it.
    """

    crop_area: float = Field(
        0.3,
        gt=0,
        le=1,
        description="Random crop: least share of the photo's area; 1: no random crop, the centre square of the phone.",
    )
    crop_aspect: float = Field(
        1.33, ge=1, le=3, description="Random crop: greatest ratio of its longer to its shorter side."
    )
    flip: bool = Field(True, description="Random flip, horizontal.")
    rotation: float = Field(0.08, ge=0, le=0.5, description="Random rotation, as a share of a full turn.")
    translation: float = Field(0.0, ge=0, le=0.5, description="Random translation, as a share of the side.")
    zoom: float = Field(
        0.0, ge=0, le=0.9, description="Random zoom: at most so much closer, and half as much farther, as a share."
    )
    contrast: float = Field(0.2, ge=0, le=1, description="Random contrast: the factor is 1 plus or minus this.")
    brightness: float = Field(
        0.15, ge=0, le=1, description="Random brightness: at most this share of white is added or taken."
    )
    randaugment_number: int = Field(0, ge=0, le=4, description="RandAugment: operations a photo.")
    randaugment_magnitude: float = Field(6.0, ge=0, le=10, description="RandAugment: how strong they are, 10 the most.")
    mixup_alpha: float = Field(
        0.0, ge=0, le=10, description="MixUp: both parameters of the Beta distribution of the mixing share."
    )
    cutmix_alpha: float = Field(
        0.0,
        ge=0,
        le=10,
        description="CutMix: both parameters of the Beta distribution of the area; with MixUp, each takes half of all.",
    )
