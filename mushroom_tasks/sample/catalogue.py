"""The invented species of the sample bucket, with their invented taxonomy and how they are drawn.

SPECIES[0].name      # "Stellavolva rubriceps"
"""

from __future__ import annotations

from dataclasses import dataclass

from mushroom_tasks.sample.drawing.recipe import Agaric, Bracket, Coral, Cup, Morel, Recipe, Teeth


@dataclass(frozen=True)
class Species:
    """A species that does not exist; `lineage` names phylum, class, order and family."""

    name: str
    lineage: tuple[str, str, str, str]
    recipe: Recipe

    @property
    def genus(self) -> str:
        """The first word of the name."""
        return self.name.split(" ")[0]

    @property
    def label(self) -> str:
        """The name as `truth.csv` writes it."""
        return self.name.replace(" ", "_")


_AGARICOMYCETES = ("Basidiomycota", "Agaricomycetes")

SPECIES = (
    Species(
        "Stellavolva rubriceps",
        (*_AGARICOMYCETES, "Agaricales", "Stellavolvaceae"),
        Recipe(
            Agaric(
                cap=(176, 30, 18),
                margin=(214, 74, 30),
                hymenium_colour=(242, 236, 218),
                stem=(240, 234, 216),
                stem_base=(222, 210, 180),
                warts=46,
                gloss=0.45,
                striate=0.3,
                ring=True,
                volva=True,
                bulb=0.7,
                stem_length=(1.4, 2.1),
            ),
            habitats=("leaves", "moss", "grass"),
            group=3,
        ),
    ),
    Species(
        "Tumidopes castaneus",
        (*_AGARICOMYCETES, "Boletales", "Tumidopodaceae"),
        Recipe(
            Agaric(
                cap=(112, 64, 32),
                margin=(148, 96, 54),
                hymenium="pores",
                hymenium_colour=(206, 190, 96),
                stem=(214, 188, 138),
                stem_base=(186, 148, 96),
                height=(0.95, 0.5),
                flesh=0.4,
                gloss=0.2,
                net=0.22,
                bulb=0.55,
                stem_length=(0.9, 1.4),
                stem_radius=(0.28, 0.42),
            ),
            habitats=("needles", "moss"),
            group=2,
        ),
    ),
    Species(
        "Fasciculina mellea",
        (*_AGARICOMYCETES, "Agaricales", "Fasciculinaceae"),
        Recipe(
            Agaric(
                cap=(150, 92, 34),
                margin=(220, 172, 84),
                hymenium_colour=(226, 204, 160),
                stem=(218, 186, 130),
                stem_base=(120, 78, 44),
                height=(0.9, 0.35),
                scales=0.5,
                striate=0.4,
                umbo=0.12,
                ring=True,
                stem_length=(1.9, 3.0),
                stem_radius=(0.11, 0.15),
                bulb=0.05,
                wart_colour=(232, 214, 168),
            ),
            habitats=("moss", "wood", "leaves"),
            group=9,
            tuft=True,
        ),
    ),
    Species(
        "Zonoporella picta",
        (*_AGARICOMYCETES, "Polyporales", "Zonoporellaceae"),
        Recipe(
            Bracket(
                bands=((232, 220, 190), (156, 110, 66), (110, 74, 50), (168, 138, 100), (84, 66, 56), (130, 106, 82)),
                pores=(238, 230, 210),
                thickness=0.1,
            ),
            habitats=("bark",),
            group=8,
        ),
    ),
    Species(
        "Favomitra alveolata",
        ("Ascomycota", "Pezizomycetes", "Pezizales", "Favomitraceae"),
        Recipe(
            Morel(ridge=(186, 152, 96), pit=(96, 68, 40), stem=(230, 214, 180)),
            habitats=("grass", "leaves"),
            group=3,
        ),
    ),
    Species(
        "Corallinula aurea",
        (*_AGARICOMYCETES, "Gomphales", "Corallinulaceae"),
        Recipe(
            Coral(base=(238, 222, 184), branch=(226, 168, 74), tip=(246, 208, 96)),
            habitats=("leaves", "moss", "needles"),
            group=2,
        ),
    ),
    Species(
        "Violaceps gracilis",
        (*_AGARICOMYCETES, "Agaricales", "Violacipitaceae"),
        Recipe(
            Agaric(
                cap=(104, 66, 118),
                margin=(160, 122, 168),
                hymenium_colour=(176, 142, 178),
                stem=(176, 150, 182),
                stem_base=(208, 192, 204),
                height=(0.95, 0.5),
                umbo=0.22,
                striate=0.9,
                stem_length=(2.0, 3.2),
                stem_radius=(0.08, 0.12),
                bulb=0.1,
            ),
            habitats=("moss", "leaves"),
            group=4,
        ),
    ),
    Species(
        "Lactisulca zonata",
        (*_AGARICOMYCETES, "Russulales", "Lactisulcaceae"),
        Recipe(
            Agaric(
                cap=(196, 104, 46),
                margin=(226, 150, 84),
                hymenium_colour=(232, 176, 112),
                stem=(222, 158, 96),
                stem_base=(214, 160, 110),
                height=(0.6, 0.25),
                depression=0.38,
                decurrent=0.3,
                zones=0.8,
                flesh=0.16,
                stem_length=(0.8, 1.3),
                stem_radius=(0.17, 0.26),
                bulb=-0.1,
            ),
            habitats=("needles", "grass"),
            group=3,
        ),
    ),
    Species(
        "Barbahydnum pendens",
        (*_AGARICOMYCETES, "Russulales", "Barbahydnaceae"),
        Recipe(
            Teeth(spine=(240, 232, 212), tip=(226, 204, 160)),
            habitats=("bark",),
            group=2,
        ),
    ),
    Species(
        "Scutellula coccinea",
        ("Ascomycota", "Pezizomycetes", "Pezizales", "Scutellulaceae"),
        Recipe(
            Cup(inside=(206, 42, 26), outside=(226, 186, 160)),
            habitats=("moss", "leaves"),
            group=5,
        ),
    ),
)

# Found too seldom to be learnt: it has only a few photos in every bucket.
RARE = Species(
    "Umbracoprinus niger",
    (*_AGARICOMYCETES, "Agaricales", "Umbracoprinaceae"),
    Recipe(
        Agaric(
            cap=(206, 196, 176),
            margin=(120, 112, 104),
            hymenium_colour=(90, 80, 78),
            stem=(232, 228, 218),
            stem_base=(220, 212, 196),
            height=(1.9, 1.2),
            striate=1.0,
            scales=0.5,
            stem_length=(2.2, 3.4),
            stem_radius=(0.12, 0.17),
        ),
        habitats=("grass",),
        group=4,
    ),
)
