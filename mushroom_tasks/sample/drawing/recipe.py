"""The traits by which a species is drawn: what a field guide would say, as numbers.

Colours are RGB, 0..255. Lengths are in cap radii unless said otherwise. A pair is a range: of a young fruit body and
an old one where age matters, otherwise from the smallest to the largest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Colour = tuple[int, int, int]
Range = tuple[float, float]
Habitat = Literal["leaves", "needles", "grass", "moss", "wood", "bark"]


@dataclass(frozen=True)
class Agaric:
    """Cap and stem, with gills or pores below."""

    cap: Colour
    margin: Colour
    hymenium_colour: Colour
    stem: Colour
    stem_base: Colour
    hymenium: Literal["gills", "pores"] = "gills"
    height: Range = (0.95, 0.3)
    umbo: float = 0.0
    depression: float = 0.0
    decurrent: float = 0.0
    flesh: float = 0.22
    warts: int = 0
    wart_colour: Colour = (244, 236, 214)
    fibres: float = 0.15
    scales: float = 0.0
    zones: float = 0.0
    striate: float = 0.0
    gloss: float = 0.15
    stem_length: Range = (1.3, 2.0)
    stem_radius: Range = (0.14, 0.19)
    bulb: float = 0.3
    net: float = 0.0
    ring: bool = False
    volva: bool = False


@dataclass(frozen=True)
class Bracket:
    """Half-round shelves on wood, zoned; `bands` from the margin inwards."""

    bands: tuple[Colour, ...]
    pores: Colour
    thickness: float = 0.16
    gloss: float = 0.1
    velvet: float = 0.5


@dataclass(frozen=True)
class Morel:
    """A honeycombed head on a stem."""

    ridge: Colour
    pit: Colour
    stem: Colour
    head_height: Range = (1.9, 2.6)
    stem_length: Range = (0.9, 1.5)
    pits: Range = (45, 70)


@dataclass(frozen=True)
class Coral:
    """Branches that fork towards the tips."""

    base: Colour
    branch: Colour
    tip: Colour
    forks: int = 4
    spread: float = 0.75


@dataclass(frozen=True)
class Teeth:
    """A cushion of hanging spines on wood."""

    spine: Colour
    tip: Colour
    length: Range = (0.45, 0.8)


@dataclass(frozen=True)
class Cup:
    """A stalkless bowl."""

    inside: Colour
    outside: Colour
    depth: Range = (0.9, 0.35)


Body = Agaric | Bracket | Morel | Coral | Teeth | Cup


@dataclass(frozen=True)
class Recipe:
    """A species as it is found: the fruit body, how many stand together, and where.

    `group` is how many fruit bodies are seen at most; in a `tuft` they share their base.
    `variation` is how far the colours of individuals differ (standard deviation, 0..255).
    """

    body: Body
    habitats: tuple[Habitat, ...]
    group: int = 3
    tuft: bool = False
    variation: float = 9.0
    size_cm: float = 8.0
