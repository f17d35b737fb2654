"""Counts of photos: by the values of a column, and by why they are left out.

tally(rows["license"])                  # {"CC-BY": 12, "CC0": 3}
tally(left_out_for(rows).drop_null())   # {"by_person": 1, "noise": 7}
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from mushroom_tasks.curation.reasons import BY_PERSON, HELD_BACK, KEEP, OVERRULED, PRUNED, SAME_PICTURE


def tally(column: pa.ChunkedArray) -> dict[str, int]:
    """Return how often each value of a column occurs, sorted by value."""
    counts = {str(item["values"]): int(item["counts"]) for item in pc.value_counts(column).to_pylist()}
    return dict(sorted(counts.items()))


def left_out_for(rows: pa.Table) -> pa.ChunkedArray:
    """Return why each photo is left out, a code of `curation.reasons`; null where it is kept.

    The rules' reason where they left it out and nobody objected; `BY_PERSON` where they kept it, and a person's verdict
    on this photo did not; `SAME_PICTURE` where neither is against it, but people kept another photo of its picture.

    `rows` has the columns is_outlier, reason, doubt and decision of `manifests.PRUNED`.
    """
    # What is held back stands out for a reason, and is kept unless somebody decides otherwise.
    is_held_back = pc.equal(pc.fill_null(rows["doubt"], ""), HELD_BACK)
    by_rules = pc.and_not(pc.is_in(rows["reason"], pa.array(sorted(PRUNED))), is_held_back)
    against = pa.array(sorted(verdict for verdict, is_outlier in OVERRULED.items() if is_outlier))
    # A photo that somebody kept, and that is left out all the same, is so for no other cause.
    for_picture = pc.or_(
        pc.equal(pc.fill_null(rows["decision"], ""), KEEP),
        pc.invert(pc.or_(by_rules, pc.is_in(rows["decision"], against))),
    )
    code = pc.if_else(for_picture, SAME_PICTURE, pc.if_else(by_rules, rows["reason"], BY_PERSON))
    return pc.if_else(rows["is_outlier"], code, None)
