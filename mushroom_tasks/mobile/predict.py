"""Predictions for photos from a bundle, through LiteRT alone: what an app on a phone would show.

Needs ai-edge-litert, numpy and Pillow; never TensorFlow. Ready in well under a second.

    predictor = Predictor(Path("bundles/ab12"))             # or a zip of it
    answer = predictor.predict(Path("photo.jpg").read_bytes(), moment=Moment(55.7, 12.5, month=10))
    answer.predictions[0].species.scientific_name           # "Amanita muscaria"
    answer.predictions[0].probability                       # 0.93
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mushroom_tasks.errors import SettingsError
from mushroom_tasks.escaping import plain
from mushroom_tasks.imaging import decode, model_input
from mushroom_tasks.mobile.answering import Group, best_group, is_none_of_these, tempered
from mushroom_tasks.mobile.archive import opened
from mushroom_tasks.mobile.interpreter import LiteRTClassifier
from mushroom_tasks.mobile.prior import Moment
from mushroom_tasks.mobile.schema import Species

DEFAULT_PRECISION = "int8"
NOTES = (
    "It may be none of these: the model knows the species it learned from, and no others.",
    "This is no advice on consumption: never eat anything because a program named it.",
)
_NO_PRIOR = "Place and date were not used: this bundle knows nothing of them."
_BAR = 20  # characters of a certain prediction
_WARNED_FROM = 0.01  # a look-alike with a warning is named with whatever is as probable as this


@dataclass(frozen=True)
class Prediction:
    """A species and its probability, 0..1."""

    species: Species
    probability: float


@dataclass(frozen=True)
class Answer:
    """What is said of a photo.

    Attributes
    ----------
    predictions
        The most probable species, best first.
    is_none
        Whether the photo is taken for none of the species; None where that was not measured.
    group
        The species, or the genus or family, that is sure enough; None where none is.
    notes
        What has to be said with it.
    """

    predictions: tuple[Prediction, ...]
    is_none: bool | None
    group: Group | None
    notes: tuple[str, ...] = NOTES


class Predictor:
    """A bundle, ready to name photos.

    Parameters
    ----------
    bundle
        A folder that `write_bundle` made, or a zip of it (`archive.pack`); every file is verified.
    precision
        A variant. None takes int8, as that is the model a phone carries, or what the bundle has without it.

    Raises
    ------
    BundleError
        The bundle is missing, damaged, or has no model of that precision.
    """

    def __init__(self, bundle: Path, precision: str | None = None) -> None:
        with opened(bundle) as found:
            self.manifest, self.species = found.manifest, found.species
            models = [str(name) for name in self.manifest.models]
            self.precision = precision or (DEFAULT_PRECISION if DEFAULT_PRECISION in models else models[0])
            self._model = LiteRTClassifier(found.model(self.precision))
            self._prior = found.prior()

    def predict(self, data: bytes, top: int = 5, moment: Moment | None = None) -> Answer:
        """Return the most probable species of a photo, best first; all of them where there are fewer than `top`.

        `data` is the content of an image file; its EXIF orientation is applied. `moment` is where and when it was
        taken, as far as known.

        Raises
        ------
        PhotoError
            The photo cannot be read, with a reason code.
        SettingsError
            `top` is less than 1.
        """
        if top < 1:
            raise SettingsError(f"`top` is at least 1. Received: {top}")
        answered = self._model.probabilities(model_input(decode(data), self._model.input_size))
        calibration = self.manifest.calibration
        probabilities = tempered(answered, calibration.temperature)
        is_none = is_none_of_these(calibration.unknown, probabilities)
        notes: tuple[str, ...] = NOTES
        if moment is not None and moment != Moment():
            if self._prior is None:
                notes = (*NOTES, _NO_PRIOR)
            else:
                probabilities = self._prior.apply(probabilities, moment)
        best = np.argsort(-probabilities, kind="stable")[:top]
        return Answer(
            predictions=tuple(Prediction(self.species[index], float(probabilities[index])) for index in best),
            is_none=is_none,
            group=best_group(calibration, self.species, probabilities),
            notes=notes,
        )


def json_line(photo: str, answer: Answer) -> str:
    """Return one line of JSON: photo, predictions, none_of_these, answer (the group), notes.

    A prediction has scientific_name, probability, taxon_id, inaturalist, common_names, look_alikes, warning (of
    species.json) and photos.
    """
    fields = {"scientific_name", "taxon_id", "inaturalist", "common_names", "look_alikes", "warning", "photos"}
    predictions: list[dict[str, Any]] = [
        {**item.species.model_dump(mode="json", include=fields), "probability": round(item.probability, 6)}
        for item in answer.predictions
    ]
    content = {
        "photo": photo,
        "predictions": predictions,
        "none_of_these": answer.is_none,
        "answer": asdict(answer.group) if answer.group else None,
        "notes": answer.notes,
    }
    return json.dumps(content)


def describe(photo: str, answer: Answer, language: str = "en") -> list[str]:
    """Return lines for a terminal: the species with bars and links, doubts, warnings, and what has to be said."""
    names = [_named(item.species, language) for item in answer.predictions]
    width = max(map(len, names), default=0)
    lines = []
    for name, item in zip(names, answer.predictions, strict=True):
        bar = "█" * round(item.probability * _BAR)
        lines.append(f"  {name:<{width}}  {item.probability:>6.1%}  {bar:<{_BAR}}  {item.species.inaturalist}")
    said = [*_doubts(answer), *_warnings(answer), *answer.notes]
    return [plain(photo), *lines, *(f"  {plain(text)}" for text in said)]


def _named(species: Species, language: str) -> str:
    common = species.common_names.get(language, ())[:1]
    return plain(f"{species.scientific_name} ({common[0]})" if common else species.scientific_name)


def _doubts(answer: Answer) -> Iterator[str]:
    if answer.is_none:
        yield "Most likely it is none of these: the model is less sure than of nearly all photos of its species."
    elif answer.group and answer.group.rank != "species":
        group = answer.group
        yield f"The species is unsure; the {group.rank} {group.name} has {group.probability:.1%}."


def _warnings(answer: Answer) -> Iterator[str]:
    probable = [item.species for item in answer.predictions if item.probability >= _WARNED_FROM]
    for species in probable:
        if species.warning:
            what = ", ".join(part for part in (species.warning.toxin, species.warning.syndrome) if part)
            yield f"{species.scientific_name} is documented as {species.warning.level}{f' ({what})' if what else ''}."
    for species in probable[:1]:
        alike = [item.scientific_name for item in species.look_alikes]
        if alike:
            yield f"{species.scientific_name} is confused with, or near to: {', '.join(alike)}."
