"""What a sample bucket holds, decided before anything is drawn.

Every random choice about rows is made here from the seed, so that a photo can later be drawn alone, in any order,
and an interrupted bucket can be completed.

    plan = make_plan(species=8, photos_per_species=40, seed=1)
    plan.photos[0].kind      # "clean", "junk:hands", "clump:microscopy", "mislabel", ...
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import cycle, islice

import numpy as np

from mushroom_tasks.errors import SettingsError
from mushroom_tasks.sample.catalogue import RARE, SPECIES, Species

JUNK_KINDS = ("hands", "forest_scenery", "microscopy", "too_far", "blurry", "text_labels")
CLUMP_KINDS = ("hands", "microscopy", "forest_scenery")
# The first fault that a small bucket gets comes first; every second one leaves a photo that can be used.
FAULTS = ("missing", "png", "truncated", "exif", "html", "cmyk", "empty", "gray", "missing", "missing")
OBSERVERS = 60
MAX_PHOTOS_PER_SPECIES = 5000

# Above every id of iNaturalist, and apart for each seed: a store keeps photos by id, whatever their source.
_FIRST_PHOTO_ID = 10**12
_IDS_PER_SEED = 10**6
FIRST_OBSERVER_ID = 101
_JUNK_SHARE = 0.045
_MISLABEL_SHARE = 0.02
_CLUMP_SHARE = 0.2  # of its species' photos, as when one person uploads a whole excursion
_CLUMP_MAX = 8
_FAULT_SHARE = 0.03
_SPECIES_PER_CLUMP = 4


@dataclass(frozen=True)
class PlannedPhoto:
    """One photo of the bucket.

    `label` is the species it is filed under; `shown` the one it was drawn as (None: no species can be seen).
    `observation` numbers the observations of the whole bucket; `position` counts within one.
    """

    photo_id: int
    label: Species
    shown: Species | None
    kind: str
    fault: str
    observation: int
    observer_id: int
    position: int


@dataclass(frozen=True)
class Plan:
    """All photos that have a file (or should have one), in order of their ids."""

    species: tuple[Species, ...]
    photos: tuple[PlannedPhoto, ...]
    seed: int


def make_plan(*, species: int, photos_per_species: int, seed: int) -> Plan:
    """Return what the bucket of these parameters holds.

    Raises SettingsError where a parameter is out of range.
    """
    _check("species", species, 2, len(SPECIES))
    _check("photos_per_species", photos_per_species, 4, MAX_PHOTOS_PER_SPECIES)
    _check("seed", seed, 0, 2**32 - 1)
    rng = np.random.default_rng([seed, 0])
    chosen = SPECIES[:species]
    clumped = rng.permutation(species)[: max(1, species // _SPECIES_PER_CLUMP)].tolist()
    photos: list[PlannedPhoto] = []
    for index, one in enumerate(chosen):
        kind = CLUMP_KINDS[clumped.index(index) % len(CLUMP_KINDS)] if index in clumped else None
        photos += _species_photos(one, photos_per_species, kind, _next_observation(photos), rng)
    photos = _contaminate(photos, chosen, rng)
    photos = _break(photos, rng)
    photos += _species_photos(RARE, max(2, photos_per_species // 6), None, _next_observation(photos), rng)
    return Plan(species=chosen, photos=_number(photos, rng, _FIRST_PHOTO_ID + seed * _IDS_PER_SEED), seed=seed)


def _check(name: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SettingsError(f"{name} of a sample bucket is a whole number from {low} to {high}. Received: {value!r}")


def _next_observation(photos: list[PlannedPhoto]) -> int:
    return photos[-1].observation + 1 if photos else 0


def _species_photos(
    species: Species, count: int, clump: str | None, first: int, rng: np.random.Generator
) -> list[PlannedPhoto]:
    """Return a species' photos, grouped into observations; a clump is one observation of nothing but junk."""
    clump_size = min(_CLUMP_MAX, max(2, round(count * _CLUMP_SHARE))) if clump else 0
    sizes: list[int] = [clump_size] if clump else []
    while (left := count - sum(sizes)) > 0:
        sizes.append(min(left, int(rng.choice([1, 2, 3], p=[0.66, 0.24, 0.10]))))
    observers = _observers(len(sizes), rng)
    photos = []
    for number, (size, observer) in enumerate(zip(sizes, observers, strict=True)):
        is_clump = clump is not None and number == 0
        photos += [
            PlannedPhoto(
                photo_id=0,
                label=species,
                shown=None if is_clump else species,
                kind=f"clump:{clump}" if is_clump else "clean",
                fault="",
                observation=first + number,
                observer_id=observer,
                position=position,
            )
            for position in range(size)
        ]
    return photos


def _observers(count: int, rng: np.random.Generator) -> list[int]:
    """Return an observer per observation: keen ones come often, yet each species has as many as it can.

    Splits are made by observer, so a species of few observers could miss from a split.
    """
    weights = (np.arange(OBSERVERS) + 6.0) ** -0.8
    order = np.argsort(-(np.log(weights) + rng.gumbel(size=OBSERVERS)))
    return [FIRST_OBSERVER_ID + int(i) for i in islice(cycle(order), count)]


def _contaminate(
    photos: list[PlannedPhoto], chosen: tuple[Species, ...], rng: np.random.Generator
) -> list[PlannedPhoto]:
    junk, wrong = (max(1, round(len(photos) * share)) for share in (_JUNK_SHARE, _MISLABEL_SHARE))
    clean = [i for i, photo in enumerate(photos) if photo.kind == "clean"]
    picked = rng.permutation(clean)[: junk + wrong].tolist()
    kinds = cycle(rng.permutation(JUNK_KINDS).tolist())
    for index in picked[:junk]:
        photos[index] = replace(photos[index], kind=f"junk:{next(kinds)}", shown=None)
    for index in picked[junk:]:
        others = [one for one in chosen if one is not photos[index].label]
        photos[index] = replace(photos[index], kind="mislabel", shown=others[int(rng.integers(len(others)))])
    return photos


def _break(photos: list[PlannedPhoto], rng: np.random.Generator) -> list[PlannedPhoto]:
    count = max(2, round(len(photos) * _FAULT_SHARE))
    clean = rng.permutation([i for i, photo in enumerate(photos) if photo.kind == "clean"])[:count]
    for index, fault in zip(clean.tolist(), cycle(FAULTS), strict=False):
        photos[index] = replace(photos[index], fault=fault)
    return photos


def _number(photos: list[PlannedPhoto], rng: np.random.Generator, first: int) -> tuple[PlannedPhoto, ...]:
    """Give ids that say nothing about the species, with gaps, as in a snapshot of a larger whole."""
    ids = first + np.cumsum(rng.integers(1, 12, size=len(photos)))
    numbered = [
        replace(photo, photo_id=int(photo_id)) for photo, photo_id in zip(photos, rng.permutation(ids), strict=True)
    ]
    return tuple(sorted(numbered, key=lambda photo: photo.photo_id))
