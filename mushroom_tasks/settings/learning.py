"""Features and training: backbones, phases, augmentation."""

from __future__ import annotations

from pydantic import Field, model_validator

from mushroom_tasks.settings.section import Section


class EmbeddingSettings(Section):
    """One pass of a pretrained backbone over every photo, for pruning and for the head."""

    backbone: str = Field("efficientnet_lite0", description="Backbone whose features are used.")
    weights: str = Field("imagenet", description="`imagenet`, or a weights file.")
    batch_size: int = Field(32, ge=1, le=1024, description="Photos per batch.")
    shards: int = Field(2, ge=1, le=64, description="Mapped tasks the embedding is cut into.")


class PhaseSettings(Section):
    """One phase of training: how deep it reaches, how long, how fast."""

    name: str = Field(pattern=r"^[\w-]+$", description="Name of the phase in logs and curves.")
    depth: float = Field(
        ge=0, le=1, description="Share of the backbone's blocks that learn, from the top; 0: head only."
    )
    epochs: int = Field(ge=1, le=1000, description="Epochs at the most.")
    learning_rate: float = Field(gt=0, le=1, description="Learning rate at the start.")


# The head stops early on purpose: one that already fits every training photo leaves the layers below it no error to
# learn from. Chosen by validation loss on 1,300 photos of 20 species; see docs/results.md.
_PHASES = (
    PhaseSettings(name="head", depth=0.0, epochs=5, learning_rate=1e-3),
    PhaseSettings(name="last", depth=0.3, epochs=2, learning_rate=3e-4),
    PhaseSettings(name="deep", depth=1.0, epochs=10, learning_rate=5e-4),
)


class TrainingSettings(Section):
    """Transfer learning, from the head down."""

    backbone: str = Field("efficientnet_lite0", description="Backbone of the classifier.")
    weights: str = Field("imagenet", description="`imagenet`, `none`, or a weights file.")
    phases: tuple[PhaseSettings, ...] = Field(_PHASES, min_length=1, description="Phases, in order.")
    batch_size: int = Field(32, ge=1, le=4096, description="Photos per step.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Dropout before the head.")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Label smoothing of the loss.")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="AdamW's weight decay.")
    ema_momentum: float = Field(
        0.97,
        ge=0,
        lt=1,
        description="Momentum of the moving average of the weights that is validated and kept; 0 turns it off.",
    )
    flip: bool = Field(True, description="RandomFlip, horizontal.")
    rotation: float = Field(0.08, ge=0, le=0.5, description="RandomRotation, as a share of a full turn.")
    translation: float = Field(0.1, ge=0, le=0.5, description="RandomTranslation, as a share of the side.")
    zoom: float = Field(0.4, ge=0, le=0.9, description="RandomZoom, as a share.")
    contrast: float = Field(0.2, ge=0, le=1, description="RandomContrast factor.")
    brightness: float = Field(0.15, ge=0, le=1, description="RandomBrightness factor.")
    plateau_patience: int = Field(4, ge=1, description="ReduceLROnPlateau: epochs without gain before it acts.")
    plateau_factor: float = Field(0.3, gt=0, lt=1, description="ReduceLROnPlateau: factor on the learning rate.")
    stop_patience: int = Field(6, ge=1, description="EarlyStopping: epochs without gain before a phase ends.")
    seed: int = Field(1, ge=0, description="Seed of initial weights, shuffling and augmentation.")

    @model_validator(mode="after")
    def _check(self) -> TrainingSettings:
        names = [phase.name for phase in self.phases]
        if len(set(names)) < len(names):
            raise ValueError(f"phases need names of their own, here are {names}")
        return self
