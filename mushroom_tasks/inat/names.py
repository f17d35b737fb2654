"""Taxa of the loaded snapshot by their scientific names, for photos that come with a name and no id.

lineages_of_names(engine, ["Amanita muscaria var. guessowii"])      # {that name: the entry of Amanita muscaria}
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from mushroom_tasks.db.engine import explained
from mushroom_tasks.db.models import Taxon
from mushroom_tasks.inat.lineage import lineages
from mushroom_tasks.inat.taxonomy import ancestors

logger = logging.getLogger(__name__)

_SPECIES_LEVEL = 10


def lineages_of_names(engine: Engine, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the entries (see `lineages`) of the active taxa with these names, by name; upper and lower case are one.

    Varieties, subspecies and forms give the entry of their species. A name that no taxon has, or several, is left
    out.
    """
    wanted = {name.casefold(): name for name in names}
    ids: dict[str, set[int]] = defaultdict(set)
    with explained(engine), Session(engine) as session:
        found = session.scalars(select(Taxon).where(Taxon.active, func.lower(Taxon.name).in_(wanted))).all()
        above = {taxon_id for taxon in found for taxon_id in ancestors(taxon.ancestry)}
        species = set(session.scalars(select(Taxon.taxon_id).where(Taxon.taxon_id.in_(above), Taxon.rank == "species")))
        for taxon in found:
            ids[taxon.name.casefold()].add(_counted_for(taxon, species))
    for name in sorted(name for name, taxa in ids.items() if len(taxa) > 1):
        logger.warning("%s is the name of several taxa (%s), so none is taken", wanted[name], sorted(ids.pop(name)))
    entries = {entry["taxon_id"]: entry for entry in lineages(engine, set().union(*ids.values()))}
    return {wanted[name]: entries[taxon_id] for name, (taxon_id,) in ids.items()}


def _counted_for(taxon: Taxon, species: set[int]) -> int:
    is_below = taxon.rank_level is not None and taxon.rank_level < _SPECIES_LEVEL
    above = [taxon_id for taxon_id in ancestors(taxon.ancestry) if taxon_id in species] if is_below else []
    return above[-1] if above else taxon.taxon_id
