"""The columns of a pruned manifest that a report counts and chooses by, as arrays.

facts = Facts(rows)
facts.score[facts.is_outlier]
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mushroom_tasks.curation import counts, reasons
from mushroom_tasks.errors import CurationError
from mushroom_tasks.escaping import plain

Rows = NDArray[np.intp]
Codes = NDArray[np.object_]

COLUMNS = [
    "photo_id", "observation_uuid", "observer_id", "login", "observer_name", "taxon_id", "scientific_name", "license",
    "path", "sha256", "small_path", "small_sha256", "is_outlier", "reason", "outlier_score", "doubt", "label_score",
    "suggested_taxon_id", "duplicate_of", "quality_issue",
]  # fmt: skip


class Facts:
    """Rows of a pruned manifest, sorted by photo_id, and what is asked of them most.

    Raises CurationError where there are none.

    Attributes
    ----------
    rows
        `COLUMNS` of the manifest.
    photo_id, taxon_id, observer_id : int64 (N,)
    is_outlier, is_doubtful : bool (N,)
        Left out; kept, and in doubt.
    score, label_score : float32 (N,)
        Outlier score; probability of the label, NaN where it is not known.
    reason, doubt, issue : object (N,)
        Codes, None where there is none; `issue` is what makes the photo poor.
    pruned_for, kept_as, poor_for : object (N,)
        Why a photo is left out; as what it stays, None where it stands out and stays all the same (held back); the
        issue of those that are left out for their quality. None for all other photos.
    suggested, stands_for : int64 (N,)
        suggested_taxon_id, and the photo that stands for this one (itself where there is none); -1: no suggestion.
    """

    def __init__(self, rows: pa.Table) -> None:
        if not rows.num_rows:
            raise CurationError("a report needs photos. Received: a manifest without rows")
        self.rows = rows.select(COLUMNS).sort_by("photo_id")
        self.photo_id = np.asarray(self.rows["photo_id"])
        self.taxon_id = np.asarray(self.rows["taxon_id"])
        self.observer_id = np.asarray(self.rows["observer_id"])
        self.is_outlier = np.asarray(self.rows["is_outlier"])
        self.score = np.asarray(self.rows["outlier_score"])
        self.label_score = np.asarray(self.rows["label_score"].fill_null(np.nan))
        self.suggested = np.asarray(self.rows["suggested_taxon_id"].fill_null(-1))
        self.stands_for = np.asarray(pc.coalesce(self.rows["duplicate_of"], self.rows["photo_id"]))
        self.reason = _codes(self.rows["reason"])
        self.doubt = _codes(self.rows["doubt"])
        self.issue = _codes(self.rows["quality_issue"])
        self.is_doubtful = ~self.is_outlier & (self.doubt != None)  # noqa: E711 - of each element
        stands_out = np.isin(self.reason.astype(np.str_), list(reasons.PRUNED))
        self.pruned_for = _only(self.reason, self.is_outlier)
        self.kept_as = _only(self.reason, ~(self.is_outlier | stands_out))
        self.poor_for = _only(self.issue, self.pruned_for == reasons.POOR_QUALITY)

    def classes(self) -> dict[int, Rows]:
        """Return the rows of each class, by taxon_id."""
        taxa, index = np.unique(self.taxon_id, return_inverse=True)
        parts = np.split(np.argsort(index, kind="stable"), np.cumsum(np.bincount(index))[:-1])
        return {int(taxon): part for taxon, part in zip(taxa, parts, strict=True)}

    def name(self, row: int) -> str:
        """Return the species that a photo is labelled as, on one line."""
        return plain(self.rows["scientific_name"][row].as_py())


def tally(codes: Codes) -> dict[str, int]:
    """Return how often each code occurs, sorted by code; None is no code."""
    return counts.tally(pa.array(codes, pa.string()).drop_null())


def _only(codes: Codes, chosen: NDArray[np.bool_]) -> Codes:
    """Return the codes of the rows that are chosen, None for all others."""
    found = codes.copy()
    found[~chosen] = None
    return found


def _codes(column: pa.ChunkedArray) -> Codes:
    encoded = column.combine_chunks().dictionary_encode()
    codes = np.array([*encoded.dictionary.to_pylist(), None], np.object_)  # one string object per code, not per row
    found: Codes = codes[np.asarray(encoded.indices.fill_null(len(codes) - 1))]
    return found
