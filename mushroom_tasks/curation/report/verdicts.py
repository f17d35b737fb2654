"""What became of a photo, in words for people, and whose photo it is: the same on the page and on the contact sheets.

verdict = verdict_of(facts, row)
verdict.kind, verdict.words        # "pruned", "stray cluster"
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mushroom_tasks.curation import reasons
from mushroom_tasks.curation.dataset.attribution import license_of, observation_url, photographer
from mushroom_tasks.curation.report.facts import Facts, Rows
from mushroom_tasks.escaping import plain

KEPT, PRUNED, DOUBT = "kept", "pruned", "doubt"


class Verdict(NamedTuple):
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
    in_doubt = (facts.doubt != None) & (facts.decision == None)  # noqa: E711 - of each element
    return np.where(facts.is_outlier, 1, np.where(in_doubt, 2, 0)).astype(np.intp)


def verdict_of(facts: Facts, row: int) -> Verdict:
    """Return what became of a photo: what a person said, else what the rules found."""
    is_outlier, reason = bool(facts.is_outlier[row]), str(facts.reason[row])
    if decision := facts.decision[row]:
        return Verdict(PRUNED if is_outlier else KEPT, f"{spoken(decision)} (a person)", "decided by a person")
    doubt = facts.doubt[row]
    sentence = reasons.REASONS.get(reason, spoken(reason))
    if doubt is None:
        return Verdict(PRUNED if is_outlier else KEPT, spoken(reason), sentence)
    why = reasons.DOUBTS.get(doubt, spoken(doubt))
    if not is_outlier:
        return Verdict(DOUBT, spoken(doubt), why)
    words = spoken(reason) if reason == doubt else f"{spoken(reason)}, {spoken(doubt)}"
    return Verdict(PRUNED, words, f"{sentence}; {why}")


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
