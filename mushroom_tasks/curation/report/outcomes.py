"""What became of a photo, in words for people, and whose photo it is: the same on the page and on the contact sheets.

outcome = outcome_of(facts, row)
outcome.kind, outcome.words        # "pruned", "stray cluster"
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mushroom_tasks.curation import reasons
from mushroom_tasks.curation.dataset.attribution import license_of, observation_url, photographer
from mushroom_tasks.curation.report.facts import Facts, Rows
from mushroom_tasks.escaping import plain
from mushroom_tasks.manifests import QUALITY_ISSUES

KEPT, PRUNED, DOUBT = "kept", "pruned", "doubt"


class Outcome(NamedTuple):
    """`kind` is KEPT, PRUNED or DOUBT (kept, but somebody should look); `words` are short, `sentence` explains."""

    kind: str
    words: str
    sentence: str


class Credit(NamedTuple):
    """Who took a photo, under which licence, and where its observation is; `link` is empty for own photos."""

    photographer: str
    license: str
    link: str


def spoken(code: str) -> str:
    """Return a code as people say it."""
    return plain(code).replace("_", " ")


def kinds(facts: Facts) -> Rows:
    """Return the kind of every photo as an index: 0 kept, 1 pruned, 2 in doubt. Shape (N,)."""
    return np.where(facts.is_outlier, 1, np.where(facts.is_doubtful, 2, 0)).astype(np.intp)


def outcome_of(facts: Facts, row: int) -> Outcome:
    """Return what became of a photo: a doubt about one that is kept stands above the reason why it is."""
    is_outlier, reason, doubt = bool(facts.is_outlier[row]), str(facts.reason[row]), facts.doubt[row]
    words, sentence = spoken(reason), reasons.REASONS.get(reason, spoken(reason))
    if reason == reasons.POOR_QUALITY and (issue := facts.issue[row]):
        words, sentence = f"{words}: {spoken(issue)}", f"the photo {QUALITY_ISSUES.get(issue, spoken(issue))}"
    if doubt is None:
        return Outcome(PRUNED if is_outlier else KEPT, words, sentence)
    why = reasons.DOUBTS.get(doubt, spoken(doubt))
    if not is_outlier:
        return Outcome(DOUBT, spoken(doubt), why)
    return Outcome(PRUNED, words if reason == doubt else f"{words}, {spoken(doubt)}", f"{sentence}; {why}")


def credit_of(facts: Facts, row: int) -> Credit:
    """Return whose photo it is.

    Raises CurationError for a licence that no credit line is known for.
    """
    entry = facts.rows.slice(row, 1).to_pylist()[0]
    return Credit(
        plain(photographer(entry["observer_name"], entry["login"])),
        license_of(entry["license"]).short,
        observation_url(entry["photo_id"], entry["observation_uuid"]),
    )
