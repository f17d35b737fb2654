"""What a report says: counts over all and per class, and which photos it shows. No photo is read for it.

content = read_content(Facts(rows), curves, across=[], photos_per_class=24, max_photos=10_000)
content.classes[0].shown[PRUNED]        # numbers of rows of content.facts.rows, the surest first
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mushroom_tasks.curation.report import choosing
from mushroom_tasks.curation.report.facts import Facts, Rows, tally

_SLUG_LENGTH = 60
_MOST_SUSPECTS = 36
_MOST_TWINS = 24
_MOST_COPIES = 5  # of one picture
_MOST_MIXED_UP = 12  # pairs of species


@dataclass(frozen=True)
class Curve:
    """The k-distances of a class, ascending, evenly chosen of so many `photos`, and the eps of the class."""

    distances: tuple[float, ...]
    eps: float
    photos: int


@dataclass(frozen=True)
class ClassContent:
    """One class: its counts, and the rows that are shown of it, by group (see `choosing`).

    `doubtful` photos are kept, and people should look at them; `curve` is None for a class that was too small to be
    judged.
    """

    taxon_id: int
    name: str
    photos: int
    observers: int
    pruned: int
    doubtful: int
    pruned_for: dict[str, int]
    kept_as: dict[str, int]
    poor_for: dict[str, int]
    doubts: dict[str, int]
    curve: Curve | None
    shown: dict[str, Rows]

    @property
    def kept(self) -> int:
        """Photos that stay for training."""
        return self.photos - self.pruned

    @property
    def notable(self) -> int:
        """Photos that are pruned or doubtful."""
        return self.pruned + self.doubtful

    @property
    def pruned_share(self) -> float:
        """Share of the photos that was pruned."""
        return self.pruned / self.photos

    def shown_rows(self) -> list[int]:
        """Return all rows that are shown."""
        return [int(row) for rows in self.shown.values() for row in rows]

    @cached_property
    def slug(self) -> str:
        """A name for files and anchors, of letters, digits and hyphens."""
        letters = unicodedata.normalize("NFKD", self.name).encode("ascii", "ignore").decode().lower()
        words = re.sub(r"[^a-z0-9]+", "-", letters)[:_SLUG_LENGTH].strip("-")
        return f"{words}-{self.taxon_id}" if words else str(self.taxon_id)


@dataclass(frozen=True)
class MixedUp:
    """How many photos of one species, two at the least, look more like another."""

    label: str
    suggested: str
    photos: int


@dataclass(frozen=True)
class ReportContent:
    """A whole data set.

    Attributes
    ----------
    facts
        The rows, sorted by photo_id; all numbers of rows count in them.
    classes
        By name.
    pruned_for, kept_as, poor_for, doubts
        Photos by code; see `Facts`.
    suspects, suspected
        Rows of suspected labels that are shown, and how many there are.
    twins, twinned
        Groups of near-duplicates that are shown, and how many photos are copies of another.
    """

    facts: Facts
    classes: list[ClassContent]
    pruned_for: dict[str, int]
    kept_as: dict[str, int]
    poor_for: dict[str, int]
    doubts: dict[str, int]
    suspects: Rows
    suspected: int
    mixed_up: list[MixedUp]
    twins: list[Rows]
    twinned: int

    @property
    def photos(self) -> int:
        """Photos of the data set."""
        return len(self.facts.photo_id)

    @property
    def pruned(self) -> int:
        """Photos that are left out of training."""
        return int(self.facts.is_outlier.sum())

    @property
    def doubtful(self) -> int:
        """Photos that are kept, and that people should look at."""
        return int(self.facts.is_doubtful.sum())

    @cached_property
    def names(self) -> dict[int, str]:
        """Scientific names by taxon_id."""
        return {each.taxon_id: each.name for each in self.classes}

    def by_attention(self) -> list[ClassContent]:
        """Return the classes, those first that are most worth a look: much pruned, or much in doubt."""
        return sorted(self.classes, key=lambda each: (-each.notable / each.photos, each.name))

    def rows_of_page(self, most: int) -> set[int]:
        """Return the rows whose photos the page shows: suspects, duplicates, and whole classes up to so many photos.

        The classes most worth a look come first; those for which nothing is left are on their contact sheets alone.
        """
        rows = {int(row) for group in (self.suspects, *self.twins) for row in group}
        for each in self.by_attention():
            more = rows.union(each.shown_rows())
            if len(more) > most:
                break
            rows = more
        return rows


def read_content(
    facts: Facts, curves: Mapping[int, Curve], across: Sequence[Rows], *, photos_per_class: int, max_photos: int
) -> ReportContent:
    """Return what the report of these rows says.

    Parameters
    ----------
    facts
        The manifest.
    curves
        By taxon_id.
    across
        Rows of the same picture under several species (`choosing.across_species`).
    photos_per_class, max_photos
        How many photos are shown of a class, and of all classes together, at most.
    """
    members = facts.classes()
    most = min(photos_per_class, max_photos // len(members))
    classes = [_class(facts, taxon_id, own, curves.get(taxon_id), most) for taxon_id, own in members.items()]
    suspects, twins = choosing.suspects(facts), choosing.twins(facts, across)
    return ReportContent(
        facts=facts,
        classes=sorted(classes, key=lambda each: (each.name, each.taxon_id)),
        pruned_for=tally(facts.pruned_for),
        kept_as=tally(facts.kept_as),
        poor_for=tally(facts.poor_for),
        doubts=tally(facts.doubt),
        suspects=suspects[:_MOST_SUSPECTS],
        suspected=len(suspects),
        mixed_up=_mixed_up(facts, suspects, {each.taxon_id: each.name for each in classes}),
        twins=[group[: _MOST_COPIES + 1] for group in twins[:_MOST_TWINS]],
        twinned=sum(len(group) - 1 for group in twins),
    )


def _class(facts: Facts, taxon_id: int, own: Rows, curve: Curve | None, most: int) -> ClassContent:
    return ClassContent(
        taxon_id=taxon_id,
        name=facts.name(int(own[0])),
        photos=len(own),
        observers=len(np.unique(facts.observer_id[own])),
        pruned=int(facts.is_outlier[own].sum()),
        doubtful=int(facts.is_doubtful[own].sum()),
        pruned_for=tally(facts.pruned_for[own]),
        kept_as=tally(facts.kept_as[own]),
        poor_for=tally(facts.poor_for[own]),
        doubts=tally(facts.doubt[own]),
        curve=curve,
        shown=choosing.of_class(facts, own, most),
    )


def _mixed_up(facts: Facts, suspects: Rows, names: Mapping[int, str]) -> list[MixedUp]:
    pairs = Counter(zip(facts.taxon_id[suspects].tolist(), facts.suggested[suspects].tolist(), strict=True))
    named = [
        MixedUp(names[label], names.get(other, f"taxon {other}"), photos)
        for (label, other), photos in pairs.items()
        if photos > 1
    ]
    return sorted(named, key=lambda pair: (-pair.photos, pair.label, pair.suggested))[:_MOST_MIXED_UP]
