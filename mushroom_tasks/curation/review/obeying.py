"""Let people's decisions overrule the rules, in the rows of a data set.

One limit stays: who keeps one of several photos that are one picture decides against the others, so that no picture is
in two splits or under two species, whatever was decided photo by photo.

obeyed = obey(rows, decisions(engine))
obeyed.rows["decision"], obeyed.rows["is_outlier"]
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mushroom_tasks.curation.reasons import KEEP, OVERRULED
from mushroom_tasks.manifests import PRUNED, content_hash

logger = logging.getLogger(__name__)

_SHOWN = 20  # photos that a line of the log names
_KEY = ["photo_id", "taxon_id"]


@dataclass(frozen=True)
class Obeyed:
    """Rows of `manifests.PRUNED` as people want them, and the decisions that touch them (schema `DECISIONS`)."""

    rows: pa.Table
    decisions: pa.Table

    @property
    def content(self) -> str | None:
        """What names the decisions: which photo got which verdict, not from whom or when; None where there are none."""
        return content_hash(self.decisions, [*_KEY, "verdict"]) if self.decisions.num_rows else None


def obey(rows: pa.Table, decisions: pa.Table) -> Obeyed:
    """Set `decision` and `is_outlier` of the rows as people decided; `reason` stays what the rules found.

    A decision counts for the photo under the species it was decided on, and for no other. Where people kept a photo of
    a `picture`, no other of it is kept; of several that people kept it is the one of the lowest photo_id.
    """
    touched = _touching(rows, decisions)
    numbers = np.asarray(touched["row"])
    verdicts = touched["verdict"].to_pylist()
    decision = np.full(rows.num_rows, None, np.object_)
    decision[numbers] = verdicts
    is_outlier = np.array(rows["is_outlier"])
    for number, verdict in zip(numbers, verdicts, strict=True):
        is_outlier[number] = OVERRULED.get(verdict, is_outlier[number])
    is_outlier |= _kept_twice(rows, is_outlier, decision == KEEP)
    for name, values in (("decision", decision), ("is_outlier", is_outlier)):
        field = PRUNED.field(name)
        rows = rows.set_column(rows.schema.get_field_index(name), field, pa.array(values, field.type))
    return Obeyed(rows, touched.drop_columns("row"))


def _kept_twice(rows: pa.Table, is_outlier: NDArray[np.bool_], by_person: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which rows are kept beside one of the same picture that a person kept."""
    photo_ids = np.asarray(rows["photo_id"])
    shown = np.asarray(pc.fill_null(rows["picture"], 0))
    by_people = np.unique(shown[by_person & np.asarray(pc.is_valid(rows["picture"]))])
    kept = np.flatnonzero(~is_outlier & np.isin(shown, by_people))
    pictures = shown[kept]
    order = np.lexsort((photo_ids[kept], ~by_person[kept], pictures))
    first = np.unique(pictures[order], return_index=True)[1]
    goes = np.zeros(rows.num_rows, np.bool_)
    goes[np.delete(kept[order], first)] = True
    against = np.sort(photo_ids[goes & by_person])
    if len(against):
        logger.warning(
            "%d photos that people kept are left out, as people kept another photo of the same picture: %s%s",
            len(against),
            ", ".join(map(str, against[:_SHOWN].tolist())),
            ", ..." if len(against) > _SHOWN else "",
        )
    return goes


def _touching(rows: pa.Table, decisions: pa.Table) -> pa.Table:
    """Return the decisions on photos of these rows under their species, by photo, with the number of the `row`."""
    numbered = rows.select(_KEY).append_column("row", pa.array(np.arange(rows.num_rows)))
    found = decisions.join(numbered, keys=_KEY, join_type="inner")
    return found.select([*decisions.column_names, "row"]).sort_by("photo_id").combine_chunks()
