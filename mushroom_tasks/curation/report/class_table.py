"""The results of pruning per class as a table, and the few numbers that sum them up.

table = class_table(content)
run.log_metrics(summary(content))
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa

from mushroom_tasks.curation import reasons
from mushroom_tasks.curation.report.content import ClassContent, ReportContent
from mushroom_tasks.manifests import QUALITY_ISSUES

_CODES = tuple(
    f"{group}_{code}"
    for group, codes in {
        "pruned": reasons.PRUNED,
        "poor": QUALITY_ISSUES,
        "kept": reasons.KEPT,
        "doubt": reasons.DOUBTS,
    }.items()
    for code in codes
)
CLASS_RESULTS = pa.schema(
    [
        pa.field("taxon_id", pa.int64(), nullable=False),
        pa.field("scientific_name", pa.string(), nullable=False),
        pa.field("photos", pa.int64(), nullable=False),
        pa.field("observers", pa.int64(), nullable=False),
        pa.field("kept", pa.int64(), nullable=False),
        pa.field("pruned", pa.int64(), nullable=False),
        pa.field("pruned_share", pa.float64(), nullable=False),
        pa.field("eps", pa.float64()),  # null where there were too few photos to judge
        *(pa.field(code, pa.int64(), nullable=False) for code in _CODES),
    ]
)


def class_table(content: ReportContent) -> pa.Table:
    """Return one row per class, by name; schema `CLASS_RESULTS`."""
    return pa.Table.from_pylist([_row(each) for each in content.classes], CLASS_RESULTS)


def split_json(table: pa.Table) -> str:
    """Return a table as the JSON that MLflow shows as one (pandas' orientation `split`)."""
    data = [list(row.values()) for row in table.to_pylist()]
    return json.dumps({"columns": table.schema.names, "data": data})


def summary(content: ReportContent) -> dict[str, float]:
    """Return the numbers of a whole data set, by the names that MLflow shows."""
    shares = np.array([each.pruned_share for each in content.classes])
    eps = [each.curve.eps for each in content.classes if each.curve]
    metrics: dict[str, float] = {
        "pruning/photos": content.photos,
        "pruning/pruned": content.pruned,
        "pruning/pruned_share": content.pruned / content.photos,
        "pruning/duplicates": content.twinned,
        "pruning/classes": len(content.classes),
        "pruning/classes_judged": len(eps),
        "pruning/class_pruned_share_median": float(np.median(shares)),
        "pruning/class_pruned_share_max": float(shares.max()),
    }
    metrics |= {f"pruning/{code}": count for code, count in _counts(content).items()}
    if eps:
        metrics |= {
            "pruning/eps_median": float(np.median(eps)),
            "pruning/eps_min": min(eps),
            "pruning/eps_max": max(eps),
        }
    return metrics


def _row(each: ClassContent) -> dict[str, Any]:
    counts = _counts(each)
    return {
        "taxon_id": each.taxon_id,
        "scientific_name": each.name,
        "photos": each.photos,
        "observers": each.observers,
        "kept": each.kept,
        "pruned": each.pruned,
        "pruned_share": each.pruned_share,
        "eps": each.curve.eps if each.curve else None,
        **{code: counts.get(code, 0) for code in _CODES},
    }


def _counts(each: ClassContent | ReportContent) -> dict[str, int]:
    groups = {"pruned": each.pruned_for, "poor": each.poor_for, "kept": each.kept_as, "doubt": each.doubts}
    return {f"{group}_{code}": count for group, counts in groups.items() for code, count in counts.items()}
