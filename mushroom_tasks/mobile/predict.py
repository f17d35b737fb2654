"""Predictions for photos from a bundle, through LiteRT alone: what an app on a phone would show.

Needs ai-edge-litert, numpy and Pillow; never TensorFlow. Ready in well under a second.

    predictor = Predictor(Path("bundles/ab12"))
    predictions = predictor.predict(Path("photo.jpg").read_bytes())
    predictions[0].scientific_name, predictions[0].probability      # ("Amanita muscaria", 0.93)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mushroom_tasks.errors import SettingsError
from mushroom_tasks.escaping import plain
from mushroom_tasks.imaging import decode, model_input
from mushroom_tasks.mobile.bundle import read_bundle
from mushroom_tasks.mobile.interpreter import LiteRTClassifier

DEFAULT_PRECISION = "int8"
NOTES = (
    "It may be none of these: the model knows the species it learned from, and no others.",
    "This is no advice on consumption: never eat anything because a program named it.",
)
_BAR = 20  # characters of a certain prediction


@dataclass(frozen=True)
class Prediction:
    """A species and its probability, 0..1; `inaturalist` is the address of its page."""

    scientific_name: str
    probability: float
    taxon_id: int
    inaturalist: str


class Predictor:
    """A bundle, ready to name photos.

    Parameters
    ----------
    bundle_folder
        A folder that `write_bundle` made; every file is verified.
    precision
        `int8` or `float32`. None takes int8, as that is the model a phone carries, or what the bundle has without it.

    Raises
    ------
    BundleError
        The bundle is missing, damaged, or has no model of that precision.
    """

    def __init__(self, bundle_folder: Path, precision: str | None = None) -> None:
        self.bundle = read_bundle(bundle_folder)
        models = [str(name) for name in self.bundle.manifest.models]
        self.precision = precision or (DEFAULT_PRECISION if DEFAULT_PRECISION in models else models[0])
        self._model = LiteRTClassifier(self.bundle.model(self.precision))

    def predict(self, data: bytes, top: int = 5) -> list[Prediction]:
        """Return the most probable species of a photo, best first; all of them where there are fewer than `top`.

        `data` is the content of an image file; its EXIF orientation is applied.

        Raises
        ------
        PhotoError
            The photo cannot be read, with a reason code.
        SettingsError
            `top` is less than 1.
        """
        if top < 1:
            raise SettingsError(f"`top` is at least 1. Received: {top}")
        probabilities = self._model.probabilities(model_input(decode(data), self._model.input_size))
        best = np.argsort(-probabilities, kind="stable")[:top]
        return [self._prediction(int(index), float(probabilities[index])) for index in best]

    def _prediction(self, index: int, probability: float) -> Prediction:
        species = self.bundle.species[index]
        return Prediction(species.scientific_name, probability, species.taxon_id, species.inaturalist)


def json_line(photo: str, predictions: Sequence[Prediction]) -> str:
    """Return one line of JSON: `{"photo": ..., "predictions": [{"scientific_name": ..., "probability": ...}, ...]}`."""
    items = [
        {
            "scientific_name": prediction.scientific_name,
            "probability": round(prediction.probability, 6),
            "taxon_id": prediction.taxon_id,
            "inaturalist": prediction.inaturalist,
        }
        for prediction in predictions
    ]
    return json.dumps({"photo": photo, "predictions": items})


def describe(photo: str, predictions: Sequence[Prediction]) -> list[str]:
    """Return lines for a terminal: the species with bars and links, and what has to be said with them."""
    names = [plain(prediction.scientific_name) for prediction in predictions]
    width = max(map(len, names), default=0)
    lines = []
    for name, item in zip(names, predictions, strict=True):
        bar = "█" * round(item.probability * _BAR)
        lines.append(f"  {name:<{width}}  {item.probability:>6.1%}  {bar:<{_BAR}}  {item.inaturalist}")
    return [plain(photo), *lines, *(f"  {note}" for note in NOTES)]
