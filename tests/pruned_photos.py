"""Rows of pruned manifests, for tests of what comes after pruning."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mushroom_tasks.manifests import PRUNED

SPECIES = {48715: "Amanita muscaria", 48717: "Boletus edulis"}


def pruned_photo(photo_id: int, **changes: Any) -> dict[str, Any]:
    """A row of a photo that the rules keep; odd ids are of the one species, even ones of the other."""
    taxon_id = changes.get("taxon_id", sorted(SPECIES)[photo_id % 2])
    return {
        "photo_id": photo_id,
        "photo_uuid": f"photo-{photo_id}",
        "observation_uuid": f"observation-{photo_id // 2}",
        "observer_id": photo_id % 4,
        "login": f"user{photo_id % 4}",
        "observer_name": None,
        "taxon_id": taxon_id,
        "scientific_name": SPECIES.get(taxon_id, f"Species {taxon_id}"),
        "license": ("CC-BY-NC", "CC0")[photo_id % 2],
        "extension": "jpg",
        "position": 0,
        "split": ("train", "train", "validation", "test")[photo_id % 4],
        "path": f"photos/medium/{photo_id % 1000:03d}/{photo_id}.jpg",
        "sha256": f"{photo_id:064x}",
        "bytes": 1000,
        "width": 500,
        "height": 375,
        "format": "JPEG",
        "cluster_label": 0,
        "is_outlier": False,
        "reason": "typical",
        "outlier_score": 0.1,
        "sharpness": 2.0,
        "brightness": 0.9,
        "contrast": 0.2,
        "text_share": 0.0,
        **changes,
    }


def pruned_table(*rows: dict[str, Any]) -> pa.Table:
    """A pruned manifest of these rows."""
    return pa.Table.from_pylist(list(rows), schema=PRUNED)


def noise(photo_id: int, score: float = 0.9, **changes: Any) -> dict[str, Any]:
    """A row of a photo that the rules prune."""
    found = {"cluster_label": -1, "is_outlier": True, "reason": "noise", "outlier_score": score}
    return pruned_photo(photo_id, **{**found, **changes})
