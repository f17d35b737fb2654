"""How a classifier is trained: backbone, phases, loss, optimizer, augmentation; resolved from a recipe.

    TrainingSettings(recipe="seed", batch_size=16)       # the preset `seed`, with smaller batches

Fingerprints, logs and MLflow see the resolved fields, never the recipe's name alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from mushroom_tasks.settings.augmentation import AugmentationSettings
from mushroom_tasks.settings.balance import BalanceSettings
from mushroom_tasks.settings.recipes import RECIPES
from mushroom_tasks.settings.section import Section

RecipeName = Literal["default", "seed"]


class PhaseSettings(Section):
    """One phase of training: how deep it reaches, how long, how fast."""

    name: str = Field(pattern=r"^[\w-]+$", description="Name of the phase in logs and curves.")
    depth: float = Field(
        ge=0, le=1, description="Share of the backbone's blocks that learn, from the top; 0: head only."
    )
    epochs: int = Field(ge=1, le=1000, description="Epochs at the most.")
    learning_rate: float = Field(gt=0, le=1, description="Learning rate at its highest.")


# The head stops early on purpose: one that already fits every training photo leaves the layers below it no error to
# learn from. Chosen by validation loss on 1,300 photos of 20 species; see docs/results.md.
_PHASES = (
    PhaseSettings(name="head", depth=0.0, epochs=5, learning_rate=1e-3),
    PhaseSettings(name="last", depth=0.3, epochs=2, learning_rate=3e-4),
    PhaseSettings(name="deep", depth=1.0, epochs=10, learning_rate=5e-4),
)


class TrainingSettings(AugmentationSettings, BalanceSettings):
    """Transfer learning, from the head down."""

    recipe: RecipeName = Field("default", description="Preset that gives what is not set itself of this section.")
    backbone: str = Field("efficientnet_lite0", description="Backbone of the classifier.")
    weights: str = Field("imagenet", description="`imagenet`, `none`, or a weights file.")
    weights_folder: Path | None = Field(
        None,
        description="Folder where the files behind `imagenet` are looked for before they are fetched; docs/models.md.",
    )
    phases: tuple[PhaseSettings, ...] = Field(_PHASES, min_length=1, description="Phases, in order.")
    batch_size: int = Field(32, ge=1, le=4096, description="Photos per step, over all GPUs.")
    optimizer: Literal["adamw", "adam"] = Field("adamw", description="AdamW decays weights apart from the gradient.")
    schedule: Literal["cosine", "plateau"] = Field(
        "cosine",
        description="How the learning rate falls: half a cosine over the phase, or when the loss stands still.",
    )
    warm_up: float = Field(
        1.0, ge=0, le=100, description="Epochs over which the rate rises; a fifth of the phase at most."
    )
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="Factor on the learning rate from each block to the one below it; 1: none."
    )
    weight_decay: float = Field(1e-4, ge=0, le=1, description="AdamW's weight decay; biases and norms have none.")
    gradient_clip: float = Field(1.0, ge=0, description="Largest norm of a step's whole gradient; 0: no limit.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Dropout before the head.")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Label smoothing of the loss.")
    logit_adjustment: float = Field(
        0.0,
        ge=0,
        le=5,
        description="For unequal classes: weight of the log of their shares in the loss; 1: balanced softmax; 0: none.",
    )
    ema_momentum: float = Field(
        0.97,
        ge=0,
        lt=1,
        description="Momentum of the moving average of the weights that is validated and kept; 0 turns it off.",
    )
    plateau_patience: int = Field(4, ge=1, description="Epochs without a lower validation loss before the rate falls.")
    plateau_factor: float = Field(0.3, gt=0, lt=1, description="Factor on the learning rate at a plateau.")
    stop_patience: int = Field(6, ge=1, description="Epochs without a lower validation loss before a phase ends.")
    mixed_precision: bool = Field(True, description="Compute in float16 where there is a GPU.")
    min_batch_size: int = Field(
        4, ge=1, le=4096, description="Photos at once at the least, when memory runs out and batches are cut."
    )
    backup_seconds: float = Field(
        60.0, ge=0, description="Seconds between backups within an epoch; a killed run goes on from the last."
    )
    seed: int = Field(1, ge=0, description="Seed of initial weights, shuffling and augmentation.")

    def identity(self) -> dict[str, Any]:
        """Return the fields that a trained model depends on; weights have a fingerprint of their own, by content."""
        left_out = {"recipe", "weights", "weights_folder", "min_batch_size", "backup_seconds"}
        return self.model_dump(mode="json", exclude=left_out)

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        recipe = RECIPES.get(str(given.get("recipe", "default")))
        return {**recipe.values, **given} if recipe else given  # another name is refused by the field itself

    @model_validator(mode="after")
    def _check(self) -> TrainingSettings:
        names = [phase.name for phase in self.phases]
        if len(set(names)) < len(names):
            raise ValueError(f"phases need names of their own, here are {names}")
        return self
