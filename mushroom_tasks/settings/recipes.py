"""Recipes: whole ways to train, by name, each documented like a figure in a paper.

    RECIPES["seed"].values["schedule"]          # "plateau"

`training.recipe` chooses one as the base; every field of `training` that is given explicitly stands over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """A way to train.

    Parameters
    ----------
    purpose, cost, expected
        What it is for; what it costs; what to expect of it, and where that was measured.
    values
        Fields of `TrainingSettings` that differ from their defaults.
    """

    purpose: str
    cost: str
    expected: str
    values: Mapping[str, Any]


RECIPES: dict[str, Recipe] = {
    "default": Recipe(
        purpose="A classifier for the phone from a few dozen to a few hundred photos a species.",
        cost="1,000 photos of 20 species with EfficientNet-Lite0: about 8 minutes of CPU time on two cores.",
        expected="90.0 % top-1 on 130 clean photos of observers held out (standard error 3 points), docs/results.md.",
        values={},
    ),
    "seed": Recipe(
        purpose=(
            "What a hobbyist's first notebook does, to compare with: the head first, then deeper layers, with Keras' "
            "own augmentation, Adam, and the learning rate lowered when the validation loss stands still."
        ),
        cost="Up to 30 epochs, of which 20 go through the backbone, where the default has 12.",
        expected="Not measured yet: `python benchmarks/recipes.py --only default seed` compares it with the default.",
        values={
            "phases": (
                {"name": "head", "depth": 0.0, "epochs": 10, "learning_rate": 1e-3},
                {"name": "last", "depth": 0.3, "epochs": 10, "learning_rate": 1e-4},
                {"name": "deep", "depth": 1.0, "epochs": 10, "learning_rate": 1e-5},
            ),
            "optimizer": "adam",
            "schedule": "plateau",
            "warm_up": 0.0,
            "weight_decay": 0.0,
            "gradient_clip": 0.0,
            "label_smoothing": 0.0,
            "ema_momentum": 0.0,
            "crop_area": 1.0,
            "crop_aspect": 1.0,
            "rotation": 0.1,
            "translation": 0.1,
            "zoom": 0.1,
            "contrast": 0.1,
            "brightness": 0.1,
            "plateau_patience": 2,
            "plateau_factor": 0.2,
            "stop_patience": 5,
        },
    ),
}
