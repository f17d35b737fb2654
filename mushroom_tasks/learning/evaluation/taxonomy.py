"""Where the species is unsure, the genus or the family, with its summed probability.

    ladder = Ladder.of(species, classes)
    thresholds = fit_thresholds(ladder, validation_probabilities, validation_labels, wanted=0.9)
    answers(ladder, probabilities, labels, thresholds, wanted=0.9)

A photo is answered with its likeliest species if that is at least as probable as the threshold for species; else with
its likeliest genus by the summed probability of its species, if that reaches the threshold for genera; else likewise by
family; else not at all. Every threshold is fitted, on the photos that the ranks below it left, so that of those it
answers the wanted share is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.learning.evaluation.schema import RankAnswers, TaxonomyAnswers

RANKS = ("species", "genus", "family")
_LEAST_ANSWERED = 10  # validation photos; of fewer a share of 90 % cannot be told from luck


@dataclass(frozen=True)
class Ladder:
    """For each rank, from species upwards, the names of its groups and the group of each class (C,)."""

    names: Mapping[str, tuple[str, ...]]
    groups: Mapping[str, NDArray[np.int64]]

    @classmethod
    def of(cls, species: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> Ladder:
        """Return the ladder of a data set's species.json; a class whose taxonomy lacks a rank is a group of its own."""
        lineages = {entry["scientific_name"]: _lineage(entry) for entry in species}
        names, groups = {}, {}
        for rank in RANKS:
            of_class = [lineages.get(name, {}).get(rank, name) if rank != "species" else name for name in classes]
            unique, inverse = np.unique(np.asarray(of_class, dtype=str), return_inverse=True)
            names[rank], groups[rank] = tuple(unique.tolist()), inverse.astype(np.int64)
        return cls(names, groups)

    def summed(self, probabilities: NDArray[np.floating], rank: str) -> NDArray[np.float64]:
        """Return the probabilities (N, groups of the rank) that probabilities (N, C) of species add up to."""
        members = np.zeros((probabilities.shape[1], len(self.names[rank])))
        members[np.arange(len(members)), self.groups[rank]] = 1
        result: NDArray[np.float64] = probabilities.astype(np.float64) @ members
        return result

    def order(self) -> NDArray[np.int64]:
        """Return the classes in order of family, genus and species: what is related lies side by side."""
        return np.lexsort([self.groups[rank] for rank in RANKS])


def _lineage(entry: Mapping[str, Any]) -> dict[str, str]:
    return {str(step["rank"]): str(step["name"]) for step in entry.get("taxonomy", ())}


def fit_thresholds(
    ladder: Ladder, probabilities: NDArray[np.floating], labels: NDArray[np.int64], wanted: float
) -> dict[str, float | None]:
    """Return the least summed probability to answer with at each rank, so that `wanted` of these answers are right.

    None where no threshold promises that: the rank is skipped.
    """
    thresholds: dict[str, float | None] = {}
    open_photos = np.ones(len(labels), np.bool_)
    for rank, confidence, right in _by_rank(ladder, probabilities, labels):
        threshold = lowest_threshold(confidence[open_photos], right[open_photos], wanted)
        thresholds[rank] = threshold
        if threshold is not None:
            open_photos &= confidence < threshold
    return thresholds


def lowest_threshold(confidence: NDArray[np.float64], right: NDArray[np.bool_], wanted: float) -> float | None:
    """Return the lowest confidence from which on at least `wanted` of the photos (N,) are right; None if none will do.

    Photos of equal confidence stand or fall together.
    """
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence = confidence[order]
    counts = np.arange(1, len(order) + 1)
    promises = np.cumsum(right[order]) >= wanted * counts
    is_last_of_equals = np.append(sorted_confidence[1:] < sorted_confidence[:-1], True)[: len(order)]
    found = np.flatnonzero(promises & is_last_of_equals & (counts >= _LEAST_ANSWERED))
    return float(sorted_confidence[found[-1]]) if len(found) else None


def answers(
    ladder: Ladder,
    probabilities: NDArray[np.floating],
    labels: NDArray[np.int64],
    thresholds: Mapping[str, float | None],
    wanted: float,
) -> TaxonomyAnswers:
    """Return at which rank how many photos are answered, and how often that is right."""
    open_photos = np.ones(len(labels), np.bool_)
    ranks, correct = [], 0
    for rank, confidence, right in _by_rank(ladder, probabilities, labels):
        threshold = thresholds[rank]
        chosen = open_photos & (confidence >= threshold) if threshold is not None else np.zeros_like(open_photos)
        open_photos &= ~chosen
        correct += int(right[chosen].sum())
        ranks.append(
            RankAnswers(
                rank=rank,
                threshold=threshold,
                photos=int(chosen.sum()),
                share=float(chosen.mean()),
                right=float(right[chosen].mean()) if chosen.any() else None,
                top1=float(right.mean()),
            )
        )
    answered = int((~open_photos).sum())
    return TaxonomyAnswers(
        wanted=wanted,
        ranks=tuple(ranks),
        answered=answered / len(labels),
        right=correct / answered if answered else None,
    )


def _by_rank(
    ladder: Ladder, probabilities: NDArray[np.floating], labels: NDArray[np.int64]
) -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.bool_]]]:
    for rank in RANKS:
        summed = ladder.summed(probabilities, rank)
        yield rank, summed.max(axis=1), summed.argmax(axis=1) == ladder.groups[rank][labels]
