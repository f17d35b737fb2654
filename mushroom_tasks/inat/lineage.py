"""The taxonomy of species, from kingdom to species, for bundles and cards.

lineages(engine, [48715])[0]["taxonomy"][0]["name"]        # "Fungi"
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from mushroom_tasks.db.engine import explained
from mushroom_tasks.db.models import Taxon
from mushroom_tasks.inat.taxonomy import ancestors

_KINGDOM_LEVEL = 70


def lineages(engine: Engine, taxon_ids: Iterable[int]) -> list[dict[str, Any]]:
    """Return per taxon its taxon_id, scientific_name, rank and taxonomy (taxon_id, rank, name from kingdom down).

    Sorted by scientific name. A taxon that is not in the table is left out.
    """
    wanted = set(taxon_ids)
    with explained(engine), Session(engine) as session:
        found = {t.taxon_id: t for t in session.scalars(select(Taxon).where(Taxon.taxon_id.in_(wanted)))}
        above = {i for taxon in found.values() for i in ancestors(taxon.ancestry)}
        taxa = {t.taxon_id: t for t in session.scalars(select(Taxon).where(Taxon.taxon_id.in_(above | wanted)))}
    return sorted((_lineage(taxon, taxa) for taxon in found.values()), key=lambda entry: str(entry["scientific_name"]))


def _lineage(taxon: Taxon, taxa: dict[int, Taxon]) -> dict[str, Any]:
    line = [taxa[i] for i in (*ancestors(taxon.ancestry), taxon.taxon_id) if i in taxa]
    return {
        "taxon_id": taxon.taxon_id,
        "scientific_name": taxon.name,
        "rank": taxon.rank,
        "taxonomy": [
            {"taxon_id": step.taxon_id, "rank": step.rank, "name": step.name}
            for step in line
            if step.rank_level is not None and step.rank_level <= _KINGDOM_LEVEL
        ],
    }
