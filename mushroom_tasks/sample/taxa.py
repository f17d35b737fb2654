"""The invented taxonomy of the sample bucket, below iNaturalist's real roots.

taxonomy = build_taxonomy()
taxonomy.ids["Stellavolva rubriceps"]
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mushroom_tasks.sample.catalogue import RARE, SPECIES

# iNaturalist's own ids, so that the default root taxa find the sample as they find the real thing.
_ROOTS = {"Life": 48460, "Fungi": 47170, "Basidiomycota": 47169, "Ascomycota": 48250, "Plantae": 47126}
_RANK_LEVELS = {
    "stateofmatter": 100,
    "kingdom": 70,
    "phylum": 60,
    "class": 50,
    "order": 40,
    "family": 30,
    "genus": 20,
    "hybrid": 10,
    "species": 10,
    "variety": 5,
    "form": 5,
}
_FIRST_ID = 9_600_001

VARIETY = f'{SPECIES[0].name} var. "aurea"'
FORM = f"{SPECIES[1].name} f. 'd'arboisii'"
INACTIVE = f"{SPECIES[0].name} sensu lato"
HYBRID = f"{SPECIES[0].genus} × intermedia"  # noqa: RUF001 - the sign that botanists use
OUTSIDE = "Umbrasporella terricola"  # a fungus of neither wanted phylum
PLANTS = tuple(f"Herbula {epithet}" for epithet in ("alta", "brevis", "cava", "dulcis", "ericea", "flava", "grata"))


@dataclass
class Taxonomy:
    """Rows of the taxa table, parents before children, and the id of each name."""

    rows: list[tuple[object, ...]] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    _ancestry: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, rank: str, parent: str | None, *, active: bool = True) -> None:
        """Add a taxon below `parent`; one that is known already stays as it is."""
        if name in self.ids:
            return
        own = _ROOTS.get(name, _FIRST_ID + len(self.ids))
        path = "" if parent is None else "/".join(filter(None, (self._ancestry[parent], str(self.ids[parent]))))
        self.ids[name], self._ancestry[name] = own, path
        self.rows.append((own, path, _RANK_LEVELS[rank], rank, name, "true" if active else "false"))


def build_taxonomy() -> Taxonomy:
    """Return the taxonomy of the whole catalogue: ids do not depend on how many species a bucket has."""
    taxonomy = Taxonomy()
    taxonomy.add("Life", "stateofmatter", None)
    taxonomy.add("Fungi", "kingdom", "Life")
    for species in (*SPECIES, RARE):
        parent = "Fungi"
        for rank, name in zip(("phylum", "class", "order", "family"), species.lineage, strict=True):
            taxonomy.add(name, rank, parent)
            parent = name
        taxonomy.add(species.genus, "genus", parent)
        taxonomy.add(species.name, "species", species.genus)
    taxonomy.add(VARIETY, "variety", SPECIES[0].name)
    taxonomy.add(FORM, "form", SPECIES[1].name)
    taxonomy.add(INACTIVE, "species", SPECIES[0].genus, active=False)
    taxonomy.add(HYBRID, "hybrid", SPECIES[0].genus)
    taxonomy.add("Umbrasporomycota", "phylum", "Fungi")
    taxonomy.add(OUTSIDE, "species", "Umbrasporomycota")
    taxonomy.add("Plantae", "kingdom", "Life")
    taxonomy.add("Herbula", "genus", "Plantae")
    for plant in PLANTS:
        taxonomy.add(plant, "species", "Herbula")
    return taxonomy
