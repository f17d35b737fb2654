"""Taxa that the literature says are poisonous, and what it says of them.

    found = toxicity_of("Amanita phalloides")       # Toxicity(warning="deadly", toxin="amatoxins", ...)
    toxicity_of("Boletus edulis")                   # None: not documented here, which is NOT to say that it is edible

The list is `toxicity.csv`, a row per taxon with the keys of its sources; `toxicity_sources.csv` has the citations. It
names well documented taxa only, of some regions more than of others, and none for being harmless: a name that is absent
says nothing about it. It exists to warn, and to weigh the mistakes of a classifier; nothing here is advice on eating.

Warnings, from the worst: `deadly` (people died of usual amounts, or of repeated meals), `poisonous`, `psychoactive`
(psilocybin), `suspected` (reports that are disputed, or that hold for some people or preparations only).

Names are those that iNaturalist uses, with the synonyms under which the sources have them. A genus stands for those of
its species that have no row.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final, Literal, get_args

from mushroom_tasks.errors import MushroomError

WarningClass = Literal["deadly", "poisonous", "psychoactive", "suspected"]
WARNINGS: Final[tuple[WarningClass, ...]] = get_args(WarningClass)
NOT_DOCUMENTED: Final = "not documented"  # what to say of a taxon without a row; never "edible"


@dataclass(frozen=True)
class Toxicity:
    """What is documented of a taxon; `rank` is species or genus, `sources` are citations."""

    scientific_name: str
    rank: str
    synonyms: tuple[str, ...]
    warning: WarningClass
    toxin: str
    syndrome: str
    sources: tuple[str, ...]

    @property
    def is_poisonous(self) -> bool:
        """Whether taking it for something harmless counts as the grave mistake: all but what is only suspected."""
        return self.warning != "suspected"


def toxicity_of(scientific_name: str) -> Toxicity | None:
    """Return what is documented of a species, or of its genus where the species has no row; None where neither has.

    Accepts synonyms, and names below the species ("Amanita muscaria var. formosa").
    """
    words = scientific_name.split()
    known = _by_name()
    return known.get(" ".join(words[:2])) or known.get(" ".join(words[:1]))


@cache
def documented() -> tuple[Toxicity, ...]:
    """Return the whole list, in the order of its file."""
    citations = {row["key"]: row["citation"] for row in _rows("toxicity_sources.csv")}
    return tuple(_toxicity(row, citations) for row in _rows("toxicity.csv"))


@cache
def _by_name() -> Mapping[str, Toxicity]:
    found = documented()
    synonyms = {synonym: entry for entry in found for synonym in entry.synonyms}
    return MappingProxyType({**synonyms, **{entry.scientific_name: entry for entry in found}})


def _toxicity(row: Mapping[str, str], citations: Mapping[str, str]) -> Toxicity:
    warning = next((known for known in WARNINGS if known == row["warning"]), None)
    keys = _listed(row["sources"])
    if warning is None or not keys or not set(keys) <= set(citations):
        raise MushroomError(
            f"toxicity.csv: {row['scientific_name']} needs a warning of {', '.join(WARNINGS)} and sources that "
            f"toxicity_sources.csv has. Received: {row['warning']!r}, {row['sources']!r}"
        )
    return Toxicity(
        scientific_name=row["scientific_name"],
        rank=row["rank"],
        synonyms=_listed(row["synonyms"]),
        warning=warning,
        toxin=row["toxin"],
        syndrome=row["syndrome"],
        sources=tuple(citations[key] for key in keys),
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(";") if part)


def _rows(name: str) -> Iterator[Mapping[str, str]]:
    text = files("mushroom_tasks").joinpath(name).read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())
