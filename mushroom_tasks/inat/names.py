"""Taxa of the loaded snapshot by their scientific names, for photos that come with a name and no id.

lineages_of_names(engine, ["Amanita muscaria var. guessowii"])      # {that name: the entry of Amanita muscaria}
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from mushroom_tasks.db.engine import explained
from mushroom_tasks.db.models import Taxon
from mushroom_tasks.inat.lineage import lineages
from mushroom_tasks.inat.taxonomy import TaxonRow, ancestors, species_of

logger = logging.getLogger(__name__)

_SPECIES_LEVEL = 10


def lineages_of_names(engine: Engine, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the entries (see `lineages`) of the active taxa with these names, by name; upper and lower case are one.

    Varieties, subspecies and forms give the entry of their species, as in a selection (`taxonomy.species_of`); a genus,
    or what else is above a species, gives its own. Left out are names that no taxon has, or several, hybrids, and what
    is below an inactive species.
    """
    wanted = {name: name.casefold() for name in names}
    ids: dict[str, set[int]] = defaultdict(set)
    with explained(engine), Session(engine) as session:
        found = session.scalars(
            select(Taxon).where(Taxon.active, func.lower(Taxon.name).in_({name.lower() for name in wanted}))
        ).all()
        counted_for = _counted_for(session, found)
    for taxon in found:
        if taxon.taxon_id in counted_for:
            ids[taxon.name.casefold()].add(counted_for[taxon.taxon_id])
    for name in sorted(name for name, taxa in ids.items() if len(taxa) > 1):
        logger.warning(
            "%s is the name of several taxa (%s), so none is taken", name.capitalize(), sorted(ids.pop(name))
        )
    entries = {entry["taxon_id"]: entry for entry in lineages(engine, set().union(*ids.values()))}
    # By every spelling: one left out would be a class of its own.
    return {name: entries[taxon_id] for name, key in wanted.items() for taxon_id in ids.get(key, ())}


def _counted_for(session: Session, found: Sequence[Taxon]) -> dict[int, int]:
    """Map each taxon to its species, or to itself where it is above; what counts for none is left out."""
    levels = {taxon.taxon_id: taxon.rank_level or 0 for taxon in found}
    above = {taxon_id for taxon in found for taxon_id in ancestors(taxon.ancestry)}
    rows = session.execute(
        select(Taxon.taxon_id, Taxon.ancestry, Taxon.rank, Taxon.active).where(
            Taxon.taxon_id.in_(above | levels.keys())
        )
    )
    taxa = [TaxonRow(*row) for row in rows]
    higher = (t.taxon_id for t in taxa if levels.get(t.taxon_id, 0) > _SPECIES_LEVEL and not t.is_hybrid)
    return {**{taxon_id: taxon_id for taxon_id in higher}, **species_of(taxa, levels)}
