"""Labels: find photos that look like another species of the data set than the one they are filed under.

Each photo is judged by photos of other people alone, in two ways that fail on different photos: by its features as a
whole (`discriminant`), and by the single photos it resembles (`lookalikes`). Each is brought to honest probabilities
(`calibration`), and these are pooled with equal weight, as their geometric mean. No constant is fitted by hand:
shrinkage, concentration and temperatures are those under which the labels as given, held out, are met best.

A label is suspected where another species is `min_odds` times as probable. Outliers that pruning has found are left
out of what is learnt and never suspected; they have a score and a suggestion all the same, for a wrong species can look
like an outlier of the species it is filed under.

    suspects = find_suspects(names, features, observers, LabelSettings(), exclude=pruning.is_outlier)
    suspects.suggested[suspects.is_suspected]

Cost: a minute and a half on two cores for 100,000 photos of 500 species with 1,280 features, and 0.5 GB beside them.

References
----------
Genest, Zidek (1986), "Combining probability distributions": the logarithmic opinion pool.
Northcutt, Jiang, Chuang (2021), "Confident learning: estimating uncertainty in dataset labels": to judge labels by
probabilities that are held out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.curation.labels.calibration import brier, probabilities, temperature
from mushroom_tasks.curation.labels.discriminant import Discriminant
from mushroom_tasks.curation.labels.folds import FoldedPhotos
from mushroom_tasks.curation.labels.lookalikes import Lookalikes
from mushroom_tasks.errors import CurationError
from mushroom_tasks.settings import LabelSettings

logger = logging.getLogger(__name__)

_SHRINKAGES = (0.1, 0.3, 0.5, 0.7, 0.9)
_CONCENTRATIONS = (5.0, 10.0, 15.0, 20.0, 30.0)
_AXES = 128  # that photos are compared along; more tell them apart no better
_SAMPLE = 5_000  # photos that settings and temperatures are chosen by


@dataclass(frozen=True)
class Suspects:
    """What is thought of each label, in the order of the input.

    Attributes
    ----------
    label_score : float32 (N,)
        Probability of the label among the species of the data set; NaN where nobody else, or nobody outside the
        observer's fold, photographed its species.
    suggested : object (N,)
        The likeliest other class, of the type of `classes`; None where `label_score` is NaN.
    is_suspected : bool (N,)
        Whether the suggested class is at least `min_odds` times as probable as the label; never where excluded.
    """

    label_score: NDArray[np.float32]
    suggested: NDArray[np.object_]
    is_suspected: NDArray[np.bool_]


def find_suspects(
    classes: NDArray[Any],
    embeddings: NDArray[Any],
    observers: NDArray[np.int64],
    settings: LabelSettings,
    exclude: NDArray[np.bool_],
) -> Suspects:
    """Hold every label against what photos by other people say.

    The result is the same every time, and but for rounding the same for every order of the rows.

    Parameters
    ----------
    classes
        Label of each photo, strings or integers, shape (N,).
    embeddings
        Features of each photo, finite and none of them all zero, shape (N, F).
    observers
        Who took each photo, shape (N,).
    settings
        When a label is suspected.
    exclude
        Photos to learn nothing from, such as outliers, shape (N,).

    Raises
    ------
    CurationError
        Where shapes do not fit.
    """
    _check(classes, embeddings, observers, exclude)
    names, species = np.unique(classes, return_inverse=True)
    found = Suspects(
        np.full(len(classes), np.nan, np.float32), np.full(len(classes), None, np.object_), np.zeros(len(classes), bool)
    )
    if len(names) < 2 or exclude.all():
        return found  # there is no other species, or nobody to ask
    photos = FoldedPhotos(embeddings, species, observers, ~exclude, settings.folds)
    for rows, logits in _Judges(photos).logits():
        _enter(found, names, rows, species[rows], logits, settings.min_odds)
    found.is_suspected[exclude] = False
    logger.info("suspected the label of %d of %d photos", found.is_suspected.sum(), len(classes))
    return found


def _check(
    classes: NDArray[Any], embeddings: NDArray[Any], observers: NDArray[np.int64], exclude: NDArray[np.bool_]
) -> None:
    if (
        classes.ndim != 1
        or embeddings.ndim != 2
        or len({len(classes), *map(len, (embeddings, observers, exclude))}) > 1
    ):
        raise CurationError(
            "labels are judged by classes (N,), embeddings (N, F), observers (N,) and exclude (N,). "
            f"Received: {classes.shape}, {embeddings.shape}, {observers.shape}, {exclude.shape}"
        )


@dataclass(frozen=True)
class _Chosen:
    """The judges' settings, and the temperature of each one's logits in the pool."""

    shrinkage: float
    concentration: float
    of_whole: np.float32
    of_near: np.float32


class _Judges:
    """Both judges with the settings under which the labels of a sample, held out, are met best."""

    def __init__(self, photos: FoldedPhotos) -> None:
        self._photos = photos
        self._whole = Discriminant(photos)
        self._near = Lookalikes(photos, self._whole.axes(_AXES))
        sample = photos.sample(_SAMPLE)
        parts = [(fold, self.known(fold, sample[photos.fold[sample] == fold])) for fold in photos.folds]
        labels = photos.species[np.concatenate([rows for _, rows in parts])]
        self._chosen = self._choose(parts, labels) if len(labels) else None

    def known(self, fold: int, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return those rows of a fold whose species others photographed too, and at least one other species."""
        learnt = self._whole.learnt(fold)
        return rows[learnt[self._photos.species[rows]]] if learnt.sum() > 1 else rows[:0]

    def logits(self) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """Yield rows and their calibrated logits (rows, species), until all are told of whom something is known."""
        chosen = self._chosen
        if chosen is None:
            return
        for fold in self._photos.folds:
            (rule,) = self._whole.rules(fold, [chosen.shrinkage])
            for rows in self._photos.blocks(self.known(fold, self._photos.of_fold(fold))):
                by_whole = rule.logits(self._photos.features(rows))
                (by_near,) = self._near.logits(rows, [chosen.concentration])
                yield rows, by_whole / chosen.of_whole + by_near / chosen.of_near

    def _choose(self, parts: list[tuple[int, NDArray[np.intp]]], labels: NDArray[np.int64]) -> _Chosen:
        by_whole = _joined(
            [rule.logits(self._photos.features(rows)) for rule in self._whole.rules(fold, _SHRINKAGES)]
            for fold, rows in parts
        )
        by_near = _joined(self._near.logits(rows, _CONCENTRATIONS) for _, rows in parts)
        shrinkage, whole, of_whole = _best(_SHRINKAGES, by_whole, labels)
        concentration, near, of_near = _best(_CONCENTRATIONS, by_near, labels)
        # Both rest on the same photos, so their sum is surer than it ought to be.
        pooled = temperature(whole + near, labels)
        logger.info("labels: shrinkage %g, concentration %g", shrinkage, concentration)
        return _Chosen(shrinkage, concentration, np.float32(of_whole * pooled), np.float32(of_near * pooled))


def _best(
    settings: Sequence[float], logits: list[NDArray[np.float32]], labels: NDArray[np.int64]
) -> tuple[float, NDArray[np.float32], float]:
    """Return the setting whose probabilities meet the labels best, its calibrated logits and their temperature."""
    temperatures = [temperature(of_setting, labels) for of_setting in logits]
    calibrated = [of_setting / np.float32(t) for of_setting, t in zip(logits, temperatures, strict=True)]
    best = int(np.argmin([brier(of_setting, labels) for of_setting in calibrated]))
    return settings[best], calibrated[best], temperatures[best]


def _joined(parts: Iterable[list[NDArray[np.float32]]]) -> list[NDArray[np.float32]]:
    """Return for each setting the logits of all parts, one below the other."""
    return [np.concatenate(of_setting) for of_setting in zip(*parts, strict=True)]


def _enter(
    found: Suspects,
    names: NDArray[Any],
    rows: NDArray[np.intp],
    species: NDArray[np.int64],
    logits: NDArray[np.float32],
    min_odds: float,
) -> None:
    """Enter what calibrated logits (rows, species) say about rows."""
    here = np.arange(len(rows))
    found.label_score[rows] = probabilities(logits)[here, species]
    of_label = logits[here, species]
    logits[here, species] = -np.inf
    likeliest = logits.argmax(axis=1)
    found.suggested[rows] = names[likeliest]
    # Not as a quotient of probabilities, which may both be too small to tell.
    found.is_suspected[rows] = logits[here, likeliest] - of_label >= np.log(min_odds)
