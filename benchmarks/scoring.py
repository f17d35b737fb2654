"""What a way of curation found, held against the truth.

found = Found("LocalOutlierFactor", flagged, score)
quality_of(photos, found).f1
by_kind(photos, found)["scattered"].recall
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from inputs.labelled_bucket import LabelledPhotos
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score


@dataclass(frozen=True)
class Found:
    """Which photos a way flags, and how it ranks them: the higher the score (N,), the less typical.

    `chosen` are parameters that were chosen for these very photos.
    """

    way: str
    flagged: NDArray[np.bool_]
    score: NDArray[Any]
    chosen: str = ""

    @property
    def name(self) -> str:
        """Return the way, with what was chosen in brackets."""
        return f"{self.way} ({self.chosen})" if self.chosen else self.way


@dataclass(frozen=True)
class Retrieval:
    """How well flags, and a ranking, find the photos that are wanted: figures from 0 to 1; nan: does not apply."""

    precision: float
    recall: float
    f1: float
    average_precision: float


@dataclass(frozen=True)
class Quality(Retrieval):
    """How well junk is found, single and in series, among all photos, and what else is flagged.

    Attributes
    ----------
    clumps_found, clumps
        A series is found where most of its photos are flagged.
    scattered, clumped, mislabelled, clean
        Share of these photos that is flagged.
    worst
        Largest share flagged of a class without junk; its wrong species do not count.
    """

    clumps_found: int
    clumps: int
    scattered: float
    clumped: float
    mislabelled: float
    clean: float
    worst: float


def quality_of(photos: LabelledPhotos, found: Found) -> Quality:
    """Hold flags and scores against the truth."""
    flagged = found.flagged
    series = [bool(flagged[rows].mean() > 0.5) for rows in photos.clumps]
    return Quality(
        **asdict(retrieval(found, photos.is_junk)),
        clumps_found=sum(series),
        clumps=len(series),
        scattered=_share(flagged, photos.is_scattered),
        clumped=_share(flagged, photos.is_clumped),
        mislabelled=_share(flagged, photos.is_mislabelled),
        clean=_share(flagged, photos.is_clean),
        worst=_worst(photos, flagged),
    )


def by_kind(photos: LabelledPhotos, found: Found) -> dict[str, Retrieval]:
    """Return how each kind is found among itself and clean photos: other kinds are neither hits nor mistakes."""
    kinds = {
        "scattered": photos.is_scattered,
        "clumped": photos.is_clumped,
        "mislabelled": photos.is_mislabelled,
    }
    return {kind: retrieval(found, wanted, wanted | photos.is_clean) for kind, wanted in kinds.items()}


def retrieval(found: Found, wanted: NDArray[np.bool_], among: NDArray[np.bool_] | None = None) -> Retrieval:
    """Tell how well the photos that are wanted (N,) are found, among some of all (N,) or among all."""
    rows = slice(None) if among is None else among
    flagged, score, wanted = found.flagged[rows], found.score[rows], wanted[rows]
    return Retrieval(
        precision=_share(wanted, flagged),
        recall=_share(flagged, wanted),
        f1=f1(flagged, wanted),
        average_precision=float(average_precision_score(wanted, score)) if wanted.any() else float("nan"),
    )


def f1(flagged: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> float:
    """Return the harmonic mean of precision and recall; nan where nothing is wanted."""
    return float(2 * np.sum(flagged & wanted) / (flagged.sum() + wanted.sum())) if wanted.any() else float("nan")


def best_threshold(score: NDArray[Any], wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the flags of the threshold with the highest F1: what nobody can know who does not know the truth."""
    if not wanted.any():
        return np.zeros(len(score), bool)
    return max((score >= threshold for threshold in np.unique(score)), key=lambda flagged: f1(flagged, wanted))


def _worst(photos: LabelledPhotos, flagged: NDArray[np.bool_]) -> float:
    with_junk = np.unique(photos.labels[photos.is_junk])
    clean = photos.is_clean & ~np.isin(photos.labels, with_junk)
    shares = [flagged[clean & (photos.labels == name)].mean() for name in np.unique(photos.labels[clean])]
    return float(max(shares, default=float("nan")))


def _share(flagged: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
    return float(flagged[among].mean()) if among.any() else float("nan")
