"""Taxa as people write them, by id or scientific name, found among those that are loaded.

found = Taxa(names)                                                      # {TaxonRow: scientific name}
found.species(["48715"], species_of(list(names), roots), "selection.species")     # {48715}
found.branches(["Boletales"], "selection.exclude")                                # {47380}
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches

from mushroom_tasks.errors import SelectionError
from mushroom_tasks.inat.taxonomy import TaxonRow, ancestors

_NEAR = 3  # suggestions for a name that is not there


class Taxa:
    """The loaded taxa by id and by name.

    Parameters
    ----------
    names
        Every loaded taxon and its scientific name. Names are compared without regard to case.
    """

    def __init__(self, names: Mapping[TaxonRow, str]) -> None:
        self._names = {taxon.taxon_id: name for taxon, name in names.items()}
        self._by_id = {taxon.taxon_id: taxon for taxon in names}
        self._by_name: defaultdict[str, list[TaxonRow]] = defaultdict(list)
        for taxon, name in names.items():
            self._by_name[name.casefold()].append(taxon)

    def species(self, references: Iterable[str], species_of: Mapping[int, int], setting: str) -> frozenset[int]:
        """Return the ids of the species that are meant; a variety, subspecies or form means its species.

        Raises SelectionError that lists every reference which means no loaded species, or several.
        """
        return self._each(
            references,
            lambda taxa: {species_of[taxon.taxon_id] for taxon in taxa if taxon.taxon_id in species_of},
            setting,
        )

    def branches(self, references: Iterable[str], setting: str) -> frozenset[int]:
        """Return the ids of the taxa that are meant, of any rank; of several with one name, the active one.

        Raises SelectionError that lists every reference which means no loaded taxon, or several.
        """
        return self._each(
            references,
            lambda taxa: {taxon.taxon_id for taxon in taxa if taxon.active} or {taxon.taxon_id for taxon in taxa},
            setting,
        )

    def _each(
        self, references: Iterable[str], meant_by: Callable[[Sequence[TaxonRow]], set[int]], setting: str
    ) -> frozenset[int]:
        found, refused = set[int](), list[str]()
        for reference in references:
            taxa = self._find(reference)
            meant = meant_by(taxa)
            if len(meant) == 1:
                found |= meant
            else:
                refused.append(self._explain(reference, taxa, meant))
        _require(refused, setting)
        return frozenset(found)

    def _find(self, reference: str) -> Sequence[TaxonRow]:
        if reference.isdecimal():
            taxon = self._by_id.get(int(reference))
            return [taxon] if taxon else []
        return self._by_name.get(" ".join(reference.split()).casefold(), [])

    def _explain(self, reference: str, taxa: Sequence[TaxonRow], meant: set[int]) -> str:
        if meant:
            return f"{reference!r} is the name of several, {sorted(meant)}: give one of these ids"
        if taxa:
            what = ", ".join(f"{'' if taxon.active else 'inactive '}{taxon.rank} {taxon.taxon_id}" for taxon in taxa)
            return f"{reference!r} is no species of the root taxa, but: {what}"
        return f"{reference!r} is not loaded{self._suggestion(reference)}"

    def _suggestion(self, reference: str) -> str:
        near = get_close_matches(reference.casefold(), self._by_name, n=_NEAR, cutoff=0.7)
        listed = ", ".join(
            f"{self._names[taxon.taxon_id]} ({taxon.taxon_id})" for n in near for taxon in self._by_name[n]
        )
        return f"; near it: {listed}" if listed else ""


def below(taxa: Iterable[TaxonRow], branches: frozenset[int]) -> frozenset[int]:
    """Return the ids of the taxa that are one of `branches` or descend from one."""
    return frozenset(t.taxon_id for t in taxa if not branches.isdisjoint((t.taxon_id, *ancestors(t.ancestry))))


def _require(refused: Sequence[str], setting: str) -> None:
    if refused:
        raise SelectionError(
            f"{setting} names taxa that cannot be used:\n  " + "\n  ".join(refused) + "\nGive taxon ids or scientific "
            "names of what is loaded below root_taxa; ids are at https://www.inaturalist.org/taxa."
        )
