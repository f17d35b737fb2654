"""The tree of taxa: who descends from whom, and which species an observation counts for.

A taxon's `ancestry` lists the ids from the root of life down to its parent, joined by "/", itself left out.
(The documentation of the data shows backslashes; the files hold slashes.)

    wanted(taxa, [47169, 48250])                 # mask over a table of taxa
    species_of(rows, [47169])                    # {variety or species: species}
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mushroom_tasks.arrays import to_arrow


@dataclass(frozen=True)
class TaxonRow:
    """What the roll-up needs of a taxon."""

    taxon_id: int
    ancestry: str
    rank: str
    active: bool

    @property
    def is_hybrid(self) -> bool:
        """Whether it is a cross, of species, genera or what is below a species."""
        return "hybrid" in self.rank


def ancestors(ancestry: str) -> tuple[int, ...]:
    """Return the ids in an ancestry, from the root down; nothing for the root itself."""
    return tuple(int(part) for part in ancestry.split("/")) if ancestry else ()


def wanted(taxa: pa.RecordBatch, roots: Iterable[int]) -> pa.BooleanArray:
    """Tell which rows of `taxa` (columns taxon_id, ancestry) are one of the roots or descend from one."""
    ids = sorted(set(roots))
    is_root = pc.is_in(taxa["taxon_id"].cast(pa.int64()), to_arrow(np.array(ids, np.int64)))
    below = rf"(^|/)({'|'.join(str(taxon_id) for taxon_id in ids)})(/|$)"
    return pc.or_(is_root, pc.match_substring_regex(taxa["ancestry"], below))


def species_of(taxa: Sequence[TaxonRow], roots: Iterable[int]) -> dict[int, int]:
    """Map each taxon below the roots that counts for a species to that species' id.

    Subspecies, varieties and forms count for their species, a species for itself. Hybrids (of any rank), genera
    and what is above count for none, nor does what is inactive, or below an inactive or missing species.
    """
    roots = set(roots)
    species = {taxon.taxon_id for taxon in taxa if taxon.rank == "species" and taxon.active}
    found = {}
    for taxon in taxa:
        line = (*ancestors(taxon.ancestry), taxon.taxon_id)
        if not taxon.active or taxon.is_hybrid or roots.isdisjoint(line):
            continue
        counted_for = [taxon_id for taxon_id in line if taxon_id in species]
        if counted_for:
            found[taxon.taxon_id] = counted_for[-1]
    return found
