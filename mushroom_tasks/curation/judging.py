"""Everything the rules say about the photos of a data set, brought together: one choice and one reason per photo.

What looks at single pictures comes first, for it depends on nothing else: `duplicates`, and photos that are too poor.
Of each picture one photo per species is judged further, so that one upload in two places is not taken for two people
who saw the same. Then `prune` says which photos stand out in their species, and `labels` which look like another one,
learning from what is left. A duplicate shares what is found of the photo that stands for it. A photo whose features
cannot be used (all zero, or not finite) is poor, and takes no part in either.

    found = judge(rows, embeddings, hashes, is_poor, settings.duplicates, settings.pruning, settings.labels)
    found.columns["reason"]
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mushroom_tasks.curation import duplicates, reasons
from mushroom_tasks.curation.labels.suspects import Suspects, find_suspects
from mushroom_tasks.curation.pruning.prune import ClassReport, Pruning, prune
from mushroom_tasks.errors import CurationError
from mushroom_tasks.manifests import PRUNED
from mushroom_tasks.settings import DuplicateSettings, LabelSettings, PruningSettings

logger = logging.getLogger(__name__)

COLUMNS = (
    "cluster_label", "is_outlier", "reason", "outlier_score", "doubt", "label_score", "suggested_taxon_id",
    "duplicate_of", "picture",
)  # fmt: skip
# A photo is looked at for one doubt: a suspected label stands behind these.
_STRONGER = (reasons.TWO_LABELS, reasons.HELD_BACK)
# Of photos that cannot be judged.
_NOT_JUDGED = {
    "cluster_label": -1, "is_outlier": True, "reason": reasons.POOR_QUALITY, "outlier_score": 0, "doubt": None,
    "label_score": None, "suggested_taxon_id": None,
}  # fmt: skip
# A single photo's features may be damaged; where more are, of so many photos, the backbone is.
_MOST_UNUSABLE, _LEAST_TO_TELL = 0.01, 100
_BLOCK = 4_096  # features copied at once: 20 MB at 1,280 of them


@dataclass(frozen=True)
class Judgement:
    """`COLUMNS` of `manifests.PRUNED`, in the order of the rows, and what pruning did per class (by taxon_id)."""

    columns: pa.Table
    report: dict[str, ClassReport]


def judge(
    rows: pa.Table,
    embeddings: NDArray[np.float32],
    hashes: NDArray[np.uint64],
    is_poor: NDArray[np.bool_],
    same_picture: DuplicateSettings,
    pruning: PruningSettings,
    labels: LabelSettings,
) -> Judgement:
    """Judge every photo of a data set.

    Parameters
    ----------
    rows
        Columns photo_id (ascending, each once), taxon_id, observer_id and sha256, N rows.
    embeddings
        Features (N, F). They are overwritten: at a million photos there is no room for a second copy.
    hashes, is_poor
        Perceptual hashes (N,), and whether a photo is too poor to learn from (N,).
    same_picture, pruning, labels
        The sections of the settings.

    Raises
    ------
    CurationError
        Where shapes do not fit, or the features of more than 1 % of at least 100 photos cannot be used.
    """
    photo_ids = np.asarray(rows["photo_id"])
    is_unusable = _unusable(embeddings, photo_ids)
    embeddings[is_unusable] = 0
    is_poor = is_poor | is_unusable
    same = duplicates.find(rows, hashes, embeddings, same_picture, is_poor)
    is_copy = same.duplicate_of != duplicates.NONE
    judged = np.flatnonzero(~is_copy & ~is_unusable)
    embeddings = _compacted(embeddings, judged)
    taxa, observers = (np.asarray(rows[name])[judged] for name in ("taxon_id", "observer_id"))
    is_poor, two_labels = is_poor[judged], same.two_labels[judged]
    pruned = prune(taxa, embeddings, observers, pruning)
    suspects = find_suspects(taxa, embeddings, observers, labels, exclude=pruned.is_outlier | is_poor | two_labels)
    stands_in = np.searchsorted(photo_ids, np.where(is_copy, same.duplicate_of, photo_ids))
    chosen = _choose(pruned, suspects, is_poor, two_labels)
    if labels.prune_suspects:
        _prune_suspects(chosen, suspects, same.group[judged])
    columns = _of_all(chosen, judged, stands_in)
    columns["is_outlier"][is_copy] = True
    columns["reason"][is_copy] = reasons.DUPLICATE
    columns["doubt"][is_copy] = None
    columns["duplicate_of"] = _or_none(same.duplicate_of, is_copy)
    _, index, photos = np.unique(same.group, return_inverse=True, return_counts=True)
    columns["picture"] = _or_none(same.group, photos[index] > 1)
    return Judgement(_table(columns), pruned.report)


def _unusable(embeddings: NDArray[np.float32], photo_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whose features are all zero or not finite, shape (N,)."""
    squares = np.einsum("ij,ij->i", embeddings, embeddings, dtype=np.float64)
    is_unusable: NDArray[np.bool_] = ~np.isfinite(squares) | (squares <= 0)
    if not is_unusable.any():
        return is_unusable
    found = (
        f"the features of {is_unusable.sum()} of {len(photo_ids)} photos are all zero or not finite, the first is "
        f"photo {photo_ids[is_unusable][0]}"
    )
    if len(photo_ids) >= _LEAST_TO_TELL and is_unusable.mean() > _MOST_UNUSABLE:
        raise CurationError(f"{found}. Embed them again; if they stay so, the backbone's weights are damaged.")
    logger.warning("%s: they are left out as poor", found)
    return is_unusable


def _compacted(embeddings: NDArray[np.float32], wanted: NDArray[np.intp]) -> NDArray[np.float32]:
    """Move the wanted rows, in ascending order, to the front and return these, without a copy of all."""
    if len(wanted) < len(embeddings):
        for start in range(0, len(wanted), _BLOCK):
            block = wanted[start : start + _BLOCK]
            embeddings[start : start + len(block)] = embeddings[block]
    return embeddings[: len(wanted)]


def _of_all(
    columns: dict[str, NDArray[Any]], judged: NDArray[np.intp], stands_in: NDArray[np.intp]
) -> dict[str, NDArray[Any]]:
    """Return the columns of all photos from those of the judged, given the row that stands for each."""
    whole = {}
    for name, values in columns.items():
        whole[name] = np.full(len(stands_in), _NOT_JUDGED[name], values.dtype)
        whole[name][judged] = values
        whole[name] = whole[name][stands_in]
    return whole


def _choose(
    pruned: Pruning, suspects: Suspects, is_poor: NDArray[np.bool_], two_labels: NDArray[np.bool_]
) -> dict[str, NDArray[Any]]:
    """Return the columns of photos that stand for themselves."""
    reason, doubt = pruned.reason.astype(np.object_), pruned.doubt.astype(np.object_)
    doubt[two_labels] = reasons.TWO_LABELS
    doubt[suspects.is_suspected & ~np.isin(doubt.astype(np.str_), _STRONGER)] = reasons.SUSPECTED_LABEL
    # What is poor is poor whatever it shows; nobody has to look.
    reason[is_poor] = reasons.POOR_QUALITY
    doubt[is_poor] = None
    is_known = np.isfinite(suspects.label_score)
    return {
        "cluster_label": pruned.cluster_label,
        "is_outlier": pruned.is_outlier | is_poor,
        "reason": reason,
        "outlier_score": pruned.outlier_score,
        "doubt": doubt,
        "label_score": _or_none(suspects.label_score, is_known),
        "suggested_taxon_id": _or_none(suspects.suggested, is_known),
    }


def _prune_suspects(chosen: dict[str, NDArray[Any]], suspects: Suspects, pictures: NDArray[np.int64]) -> None:
    """Leave out what is under a suspected label, and of each picture all but the photo whose label is likeliest."""
    score = np.nan_to_num(suspects.label_score, nan=-1.0)
    order = np.lexsort((-score, pictures))
    is_likelier = np.zeros(len(pictures), np.bool_)
    is_likelier[order[np.unique(pictures[order], return_index=True)[1]]] = True
    two_labels = chosen["doubt"] == reasons.TWO_LABELS
    for code, goes in (
        (reasons.TWO_LABELS, two_labels & ~is_likelier),
        (reasons.SUSPECTED_LABEL, chosen["doubt"] == reasons.SUSPECTED_LABEL),
    ):
        chosen["reason"][goes & ~chosen["is_outlier"]] = code
        chosen["is_outlier"] |= goes


def _or_none(values: NDArray[Any], is_known: NDArray[np.bool_]) -> NDArray[np.object_]:
    known = values.astype(np.object_)
    known[~is_known] = None
    return known


def _table(columns: dict[str, NDArray[Any]]) -> pa.Table:
    arrays = [pa.array(columns[name], PRUNED.field(name).type) for name in COLUMNS]
    return pa.table(arrays, names=list(COLUMNS))
