"""What the benchmark of curation shows: a table of all ways for each question, and the rows that are kept of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from statistics import median

import numpy as np
from inputs.labelled_bucket import LabelledPhotos
from numpy.typing import NDArray
from report import Row, at_least, beside, limited, reached
from rich.console import Console
from rich.table import Table
from scoring import Found, Quality, Retrieval, by_kind, quality_of, retrieval

OURS, STAGE, LABELS, CLEANLAB = "ours: prune", "ours: the whole stage", "ours: find_suspects", "cleanlab"
BEST_EPS = "DBSCAN, best fixed eps"
LEAST_F1, MOST_CLEAN = 0.92, 2.0
KINDS = ("scattered", "clumped", "mislabelled")
console = Console(width=max(Console().width, 190))

Learnt = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Shown:
    """What one way flags: of junk as a whole, and of each kind among clean photos."""

    quality: Quality
    kinds: Mapping[str, Retrieval]


def show_outliers(photos: LabelledPhotos, outliers: Sequence[Found]) -> dict[str, Shown]:
    """Print what every way flags, of junk as a whole and kind by kind, and return it by name."""
    shown = {found.name: Shown(quality_of(photos, found), by_kind(photos, found)) for found in outliers}
    names = [field.name for field in fields(Quality)]
    table = Table("", "photos", *names, title="Junk, single and in series: what is flagged")
    for found in outliers:
        figures = asdict(shown[found.name].quality).values()
        table.add_row(found.name, str(int(found.flagged.sum())), *map(_figure, figures))
    console.print(table)
    for kind in KINDS:
        _show_kind(kind, shown)
    return shown


def _show_kind(kind: str, shown: Mapping[str, Shown]) -> None:
    names = [*(field.name for field in fields(Retrieval)), "clumps_found", "clean"]
    table = Table("", *names, title=f"{kind.capitalize()} photos and clean ones alone: what is flagged")
    for name, found in shown.items():
        also = found.quality.clumps_found if kind == "clumped" else np.nan, found.quality.clean
        table.add_row(name, *map(_figure, (*asdict(found.kinds[kind]).values(), *also)))
    console.print(table)


@dataclass(frozen=True)
class Ranked:
    """How one way finds wrong species: average precision among photos without junk and among all, and its flags."""

    alone: float
    among_all: float
    suspected: int
    precision: float
    recall: float
    f1: float
    clean: float


def rank(photos: LabelledPhotos, found: Found, aside: NDArray[np.bool_] | None = None) -> Ranked:
    """Hold a ranking of labels against the truth.

    What is put aside, as an outlier that is told of already, ranks last among all photos.
    """
    among_all = found.score if aside is None else np.where(aside, found.score.min(), found.score)
    of_all = retrieval(replace(found, score=among_all), photos.is_mislabelled)
    return Ranked(
        alone=retrieval(found, photos.is_mislabelled, ~photos.is_junk).average_precision,
        among_all=of_all.average_precision,
        suspected=int(found.flagged.sum()),
        precision=of_all.precision,
        recall=of_all.recall,
        f1=of_all.f1,
        clean=float(found.flagged[photos.is_clean].mean()),
    )


def show_labels(how: str, by_way: Mapping[str, Sequence[Ranked]]) -> None:
    """Print how every way ranks wrong species, medians where there are several draws."""
    names = ("AP without junk", "AP among all", "suspected", "precision", "recall", "f1", "clean")
    table = Table("", *names, title=f"Wrong species, {how}")
    for way, found in by_way.items():
        table.add_row(way, *(_figure(_median(found, field.name)) for field in fields(Ranked)))
    console.print(table)


def show_accuracy(learnt: Learnt) -> None:
    """Print what the same classifier learns from each data set."""
    table = Table("learnt from", "accuracy", title="Accuracy on clean photos by observers not seen")
    for name, shares in learnt.items():
        table.add_row(name, f"{median(shares):.1%}")
    console.print(table)


def show_contamination(share: float, by_way: Mapping[str, Sequence[Quality]]) -> None:
    """Print the medians of some draws with one share of junk."""
    names = [field.name for field in fields(Quality) if field.name != "mislabelled"]  # there are none
    draws = len(by_way[OURS])
    table = Table("", *names, title=f"{share:.0%} of junk in the classes that have any; median of {draws}")
    for way, found in by_way.items():
        table.add_row(way, *(_figure(_median(found, name)) for name in names))
    console.print(table)


def outlier_rows(shown: Mapping[str, Shown]) -> list[Row]:
    """Return the rows of what is flagged."""
    rows = []
    for name in (OURS, STAGE):
        mine = shown[name].quality
        rows += [
            reached(f"{name}: F1 of junk and series", [mine.f1], limit=LEAST_F1),
            reached(f"{name}: % of series found", [_series(mine)], limit=100, unit="%"),
            limited(f"{name}: % of clean photos flagged", [100 * mine.clean], limit=MOST_CLEAN, unit="%"),
            limited(f"{name}: % flagged of the worst class without junk", [100 * mine.worst], limit=2, unit="%"),
            beside(f"{name}: % of photos in series flagged", [100 * mine.clumped]),
            beside(f"{name}: % of scattered junk flagged", [100 * mine.scattered]),
            beside(f"{name}: % of wrong species flagged", [100 * mine.mislabelled]),
        ]
    rows = [row for row in rows if np.isfinite(row.ours).all()]  # the others do not apply to these photos
    mine = shown[OURS].quality
    peers = {name: peer for name, peer in shown.items() if name not in (OURS, STAGE)}
    for name, peer in peers.items():
        rows.append(beside(f"F1, beside {name}", [mine.f1], [peer.quality.f1]))
        precisions = [mine.average_precision], [peer.quality.average_precision]
        rows.append(beside(f"average precision, beside {name}", *precisions))
    return rows + [row for kind in KINDS for row in _kind_rows(kind, shown[OURS], peers)]


def _kind_rows(kind: str, mine: Shown, peers: Mapping[str, Shown]) -> list[Row]:
    """Return the rows of one kind alone: ours beside the way with the highest F1."""
    best = max(peers, key=lambda name: np.nan_to_num(peers[name].kinds[kind].f1))
    figures = zip(asdict(mine.kinds[kind]).items(), asdict(peers[best].kinds[kind]).values(), strict=True)
    return [
        beside(f"{kind} photos: {name}, beside {best}", [own], [other])
        for (name, own), other in figures
        if np.isfinite((own, other)).all()
    ]


def label_rows(how: str, by_way: Mapping[str, Sequence[Ranked]]) -> list[Row]:
    """Return the rows of wrong species: ours beside cleanlab at its best of three ways."""
    rows = []
    for field, among in {"alone": "photos without junk", "among_all": "all photos"}.items():
        figures = {way: [getattr(each, field) for each in found] for way, found in by_way.items()}
        best = max((figures[way] for way in figures if way.startswith(CLEANLAB)), key=median)
        name = f"wrong species, {how}: average precision among {among}, beside {CLEANLAB} at its best"
        rows.append(at_least(name, figures[LABELS], best, times=1, better="more"))
    return rows


def accuracy_rows(mine: str, learnt: Learnt, where: str = "") -> list[Row]:
    """Return the rows of what is learnt from one of ours, beside every other data set."""
    start = f"{where}accuracy learnt from {mine}, beside"
    return [beside(f"{start} {name}", learnt[mine], shares) for name, shares in learnt.items() if name != mine]


def contamination_rows(share: float, by_way: Mapping[str, Sequence[Quality]], learnt: Learnt) -> list[Row]:
    """Return the rows of one share of junk; figures that do not apply to it are left out."""
    mine, where = by_way[OURS], f"{share:.0%} junk"
    best = max((_median(found, "f1") for way, found in by_way.items() if way.startswith(BEST_EPS)), default=np.nan)
    rows = [
        reached(f"{where}: F1", [each.f1 for each in mine], limit=LEAST_F1),
        beside(f"{where}: F1, beside DBSCAN at its best fixed eps", [each.f1 for each in mine], [best]),
        reached(f"{where}: % of series found", [_series(each) for each in mine], limit=100, unit="%"),
        limited(f"{where}: % of clean photos flagged", [100 * q.clean for q in mine], limit=MOST_CLEAN, unit="%"),
        limited(
            f"{where}: % flagged of the worst class without junk", [100 * q.worst for q in mine], limit=2, unit="%"
        ),
    ]
    return [row for row in rows if np.isfinite(row.ours).all()] + accuracy_rows(OURS, learnt, f"{where}: ")


def _series(quality: Quality) -> float:
    return 100 * quality.clumps_found / quality.clumps if quality.clumps else np.nan


def _median(found: Sequence[Quality | Ranked], figure: str) -> float:
    return float(np.median([getattr(each, figure) for each in found]))


def _figure(value: float) -> str:
    if np.isnan(value):
        return ""
    return str(value) if isinstance(value, int) else f"{value:.3f}"
