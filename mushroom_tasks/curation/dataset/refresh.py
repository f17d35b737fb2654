"""What a refreshed data set has that the one before it had not, and what it lost.

Compares two data sets of the same settings, photo by photo, and writes the outcome beside the newer one:

    changes.json   totals, and counts per species
    changes.md     the same for people

    changes = compare(before, now, withdrawn=[128036], previous="ab12", current="cd34")
    changes.totals.added
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from mushroom_tasks.curation.dataset.publish import PublishedDataset
from mushroom_tasks.escaping import escape_markdown
from mushroom_tasks.storage import Store

logger = logging.getLogger(__name__)

FILE = "changes.json"
REPORT = "changes.md"
COLUMNS = ["photo_id", "scientific_name", "split", "is_outlier"]


class Counts(BaseModel):
    """Photos of a data set, or of one species in it, beside the data set before.

    Attributes
    ----------
    before, now
        Photos in either.
    added
        In the newer one only.
    withdrawn
        No longer published by iNaturalist below the root taxa: the photographer deleted the photo, closed its licence,
        or its observation became another kind of organism.
    left
        Gone for another reason: not selected any more, or it could not be had.
    moved
        In both, as another species now; of a species: what came to it.
    resplit
        In both, in another split now. Only a photo whose observer changed can be.
    pruned, restored
        In both, kept before and pruned now, and the other way round: by the rules, or because people decided so.
    """

    model_config = ConfigDict(frozen=True)

    before: int = 0
    now: int = 0
    added: int = 0
    withdrawn: int = 0
    left: int = 0
    moved: int = 0
    resplit: int = 0
    pruned: int = 0
    restored: int = 0

    @property
    def is_changed(self) -> bool:
        """Tell whether anything differs."""
        kept_in = (self.moved, self.resplit, self.pruned, self.restored)
        return any((self.added, self.withdrawn, self.left, *kept_in))


class DatasetChanges(BaseModel):
    """The comparison of two data sets; `species` has those with a change, by scientific name."""

    model_config = ConfigDict(frozen=True)

    previous: str
    current: str
    totals: Counts
    species: dict[str, Counts]


def compare(
    before: pa.Table, now: pa.Table, withdrawn: Collection[int], *, previous: str, current: str
) -> DatasetChanges:
    """Compare two data sets by their manifests.

    Parameters
    ----------
    before, now
        Tables with `COLUMNS`, each photo_id once.
    withdrawn
        Ids of photos that iNaturalist no longer publishes.
    previous, current
        Fingerprints of the two.
    """
    old, new = _columns(before), _columns(now)
    _, in_old, in_new = np.intersect1d(old[0], new[0], assume_unique=True, return_indices=True)
    gone = ~np.isin(old[0], new[0], assume_unique=True)
    is_withdrawn = gone & np.isin(old[0], np.fromiter(withdrawn, np.int64, len(withdrawn)))
    marks = {
        "before": old[1],
        "now": new[1],
        "added": new[1][~np.isin(new[0], old[0], assume_unique=True)],
        "withdrawn": old[1][is_withdrawn],
        "left": old[1][gone & ~is_withdrawn],
        "moved": new[1][in_new][new[1][in_new] != old[1][in_old]],
        "resplit": new[1][in_new][new[2][in_new] != old[2][in_old]],
        "pruned": new[1][in_new][new[3][in_new] & ~old[3][in_old]],
        "restored": new[1][in_new][old[3][in_old] & ~new[3][in_new]],
    }
    by_species: dict[str, dict[str, int]] = {}
    for mark, names in marks.items():
        for name, count in zip(*np.unique(names, return_counts=True), strict=True):
            by_species.setdefault(str(name), {})[mark] = int(count)
    species = {name: Counts(**counts) for name, counts in sorted(by_species.items())}
    return DatasetChanges(
        previous=previous,
        current=current,
        totals=Counts(**{mark: len(names) for mark, names in marks.items()}),
        species={name: counts for name, counts in species.items() if counts.is_changed},
    )


def write_changes(store: Store, published: PublishedDataset, changes: DatasetChanges) -> None:
    """Write a comparison beside the newer data set."""
    store.write_text(published.file(REPORT), report(changes))
    store.write_json(published.file(FILE), changes.model_dump(mode="json"))


def report(changes: DatasetChanges) -> str:
    """Return a comparison as Markdown."""
    totals = changes.totals
    lines = [
        f"# Data set {changes.current} beside {changes.previous}",
        "",
        f"{totals.now:,} photos, {totals.before:,} before: {totals.added:,} added, {totals.withdrawn:,} withdrawn at "
        f"iNaturalist, {totals.left:,} left out for another reason, {totals.moved:,} moved to another species. "
        f"{totals.resplit:,} photos are in another split, {totals.pruned:,} are pruned that were kept, and "
        f"{totals.restored:,} are kept that were pruned.",
    ]
    if changes.species:
        fields = tuple(Counts.model_fields)
        rows = [(escape_markdown(name), counts) for name, counts in changes.species.items()]
        lines += [
            "",
            _row(("Species", *(field.capitalize() for field in fields))),
            _row(["---", *["---:"] * len(fields)]),
        ]
        lines += [_row([name, *(f"{getattr(counts, field):,}" for field in fields)]) for name, counts in rows]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _columns(table: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.str_], NDArray[np.str_], NDArray[np.bool_]]:
    ids, names, splits, outliers = (np.asarray(table[name]) for name in COLUMNS)
    return ids.astype(np.int64), names.astype(np.str_), splits.astype(np.str_), outliers.astype(np.bool_)
