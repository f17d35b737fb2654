"""Which photos a report shows: of each class, of the near-duplicates, of the suspected labels.

shown = of_class(facts, facts.classes()[48715], most=24)
shown[PRUNED]           # row numbers, every reason in turn, the surest first
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.curation import reasons
from mushroom_tasks.curation.features import unit
from mushroom_tasks.curation.report.facts import Codes, Facts, Rows

PRUNED, BORDER, TYPICAL = "pruned", "border", "typical"
GROUPS = {
    PRUNED: "Pruned: left out of training, the surest first",
    BORDER: "In doubt, or nearest to the border",
    TYPICAL: "Kept, the most typical first",
}
_BORDER = 0.5  # of the outlier score
_MOST_PAIRED = 1_000  # photos: their likenesses are a matrix


def of_class(facts: Facts, own: Rows, most: int) -> dict[str, Rows]:
    """Return at most so many rows of a class, in three groups that share no row.

    A third is for what was pruned, and more where little is kept; a half of the rest for what is in doubt or nearest
    to the border, the other half for the most typical. A class that was not judged has no border.
    """
    kept = own[~facts.is_outlier[own]]
    pruned = in_turns(_by(-facts.score, own[facts.is_outlier[own]]), facts.reason)
    pruned = pruned[: max(most // 3, most - len(kept))]
    left = most - len(pruned)
    others = own[~np.isin(own, pruned)]
    has_doubt = facts.doubt != None  # noqa: E711 - of each element
    doubtful = in_turns(_by(np.abs(facts.score - _BORDER), others[has_doubt[others]]), facts.doubt)
    certain = _by(facts.score, kept[~has_doubt[kept]])
    was_judged = bool(facts.score[own].any())
    border = np.concatenate([doubtful, certain[::-1] if was_judged else certain[:0]])[: left // 2]
    typical = in_turns(certain[~np.isin(certain, border)], facts.reason)[: left - len(border)]
    return {PRUNED: pruned, BORDER: border, TYPICAL: typical}


def suspects(facts: Facts) -> Rows:
    """Return the rows whose label is suspected, the least likely labels first."""
    found = np.flatnonzero(facts.doubt == reasons.SUSPECTED_LABEL)
    ordered: Rows = found[np.argsort(facts.label_score[found], kind="stable")]
    return ordered


def two_labels(facts: Facts) -> Rows:
    """Return the rows, up to a thousand, whose picture is there under another species as well."""
    found: Rows = np.flatnonzero(facts.doubt == reasons.TWO_LABELS)[:_MOST_PAIRED]
    return found


def across_species(facts: Facts, rows: Rows, embeddings: NDArray[np.float32]) -> list[Rows]:
    """Return which of these rows show the same picture: each and the likest one of another species, joined.

    The manifest says of `two_labels` photos that there is such a one, and not which. `embeddings` are theirs, (N, F).
    """
    if len(rows) < 2:
        return []
    scaled = unit(embeddings)
    likeness = scaled @ scaled.T
    taxa = facts.taxon_id[rows]
    likeness[taxa[:, None] == taxa[None, :]] = -np.inf
    group = np.arange(len(rows))
    for place, likest in enumerate(likeness.argmax(axis=1)):
        group[group == group[place]] = group[likest]
    return [rows[group == each] for each in np.unique(group)]


def twins(facts: Facts, across: Sequence[Rows]) -> list[Rows]:
    """Return near-duplicates, a group per picture: first the photos that stand for the others.

    `across` are groups of `across_species`. Groups under several species come first, then the largest.
    """
    picture = facts.stands_for.copy()
    for group in across:
        photo_ids = facts.photo_id[group]
        picture[np.isin(picture, photo_ids)] = photo_ids.min()
    order = np.lexsort((facts.photo_id, facts.photo_id != facts.stands_for, picture))
    starts = np.flatnonzero(np.diff(picture[order])) + 1
    groups = [group for group in np.split(order, starts) if len(group) > 1]
    return sorted(groups, key=lambda group: (len(np.unique(facts.taxon_id[group])) < 2, -len(group), group[0]))


def in_turns(rows: Rows, codes: Codes) -> Rows:
    """Return rows so that the codes they have take turns, each code's rows in the order given."""
    turn = np.empty(len(rows), np.intp)
    for code in {codes[row] for row in rows}:
        same = codes[rows] == code
        turn[same] = np.arange(same.sum())
    ordered: Rows = rows[np.argsort(turn, kind="stable")]
    return ordered


def _by(values: NDArray[np.float32], rows: Rows) -> Rows:
    ordered: Rows = rows[np.argsort(values[rows], kind="stable")]
    return ordered
