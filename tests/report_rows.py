"""A pruned manifest in memory, as tests of the report want it: a few species, every reason and doubt, hostile names."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mushroom_tasks.manifests import PRUNED

HOSTILE = '<script>alert("1")</script> & \u202eevil\n{{ 7*7 }} $x$'
FLY_AGARIC, PENNY_BUN, RARE = 48715, 48701, 48699
NAMES = {FLY_AGARIC: "Amanita muscaria", PENNY_BUN: "Boletus edulis", RARE: HOSTILE}


def row(photo_id: int, taxon_id: int = FLY_AGARIC, **changes: Any) -> dict[str, Any]:
    """Return one row of a pruned manifest: kept, typical, unless told otherwise."""
    return {
        **dict.fromkeys(PRUNED.names),
        "photo_id": photo_id,
        "photo_uuid": f"photo-{photo_id}",
        "observation_uuid": f"observation-{photo_id}",
        "observer_id": photo_id % 7,
        "login": f"user{photo_id % 7}",
        "taxon_id": taxon_id,
        "scientific_name": NAMES[taxon_id],
        "license": "CC-BY-NC",
        "extension": "jpg",
        "split": "train",
        "path": f"photos/medium/{photo_id % 1000:03d}/{photo_id}.jpg",
        "sha256": f"{photo_id:064x}",
        "cluster_label": 0,
        "is_outlier": False,
        "reason": "typical",
        "outlier_score": 0.01 * (photo_id % 30),
        "sharpness": 1.0,
        "brightness": 0.5,
        "contrast": 0.2,
        "text_share": 0.0,
        **changes,
    }


def table(rows: list[dict[str, Any]]) -> pa.Table:
    """Return rows as a manifest."""
    return pa.Table.from_pylist(rows, PRUNED)


def mixed() -> pa.Table:
    """Return 40 fly agarics, 20 penny buns and 3 of a rare species with a hostile name, of every fate."""
    rows = [row(number) for number in range(100, 140)] + [row(number, PENNY_BUN) for number in range(200, 220)]
    rows += [
        row(number, RARE, reason="left_alone", outlier_score=0.0, observer_name=HOSTILE) for number in (300, 301, 302)
    ]
    by_id = {each["photo_id"]: each for each in rows}
    for photo_id, reason in ((101, "noise"), (102, "noise"), (103, "stray_cluster"), (104, "like_junk")):
        by_id[photo_id] |= {"is_outlier": True, "reason": reason, "outlier_score": 0.9 + photo_id / 1e4}
    by_id[105] |= {"is_outlier": True, "reason": "poor_quality", "quality_issue": "dark"}
    by_id[106] |= {"is_outlier": True, "reason": "duplicate", "duplicate_of": 107}
    by_id[108] |= {"reason": "second_look"}
    by_id[109] |= {"doubt": "near_border", "outlier_score": 0.49}
    by_id[110] |= {"doubt": "suspected_label", "label_score": 0.02, "suggested_taxon_id": PENNY_BUN}
    by_id[111] |= {"doubt": "suspected_label", "label_score": 0.01, "suggested_taxon_id": PENNY_BUN}
    by_id[112] |= {"doubt": "held_back", "outlier_score": 0.7}
    by_id[201] |= {"is_outlier": True, "reason": "two_labels", "doubt": "two_labels", "outlier_score": 0.3}
    by_id[202] |= {"reason": "noise", "outlier_score": 0.95, "doubt": "held_back"}
    return table(rows)
