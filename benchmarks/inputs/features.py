"""Made-up features of photos: species, looks and observers as in a real data set, and junk among them.

made = make_features(photos=100_000, classes=500)
made.features.shape      # (100000, 1280)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_JUNK = 0.09  # share of the photos, as planted among the real ones
_KINDS = 7  # of junk
_OWN_WAY = 0.8  # length of what one photo has for itself, beside 1 of what its species or its kind of junk has
_OF_SPECIES = 0.6  # length of what one species has for itself, beside 1 of what all have
_PEOPLE = 0.4  # people per photo of a species
_BLOCK = 4096


@dataclass(frozen=True)
class Made:
    """Classes and observers (N,), features (N, F) as float32, and which photos are junk (N,)."""

    classes: NDArray[np.int64]
    features: NDArray[np.float32]
    observers: NDArray[np.int64]
    is_junk: NDArray[np.bool_]


def make_features(photos: int, classes: int, columns: int = 1280, seed: int = 0) -> Made:
    """Make photos, equally many of each class."""
    random = np.random.default_rng(seed)
    of_class = np.arange(photos) % classes
    is_junk = random.random(photos) < _JUNK

    def directions(count: int) -> NDArray[np.float32]:
        return random.standard_normal((count, columns), np.float32) / np.float32(np.sqrt(columns))

    centres = np.concatenate([directions(1) + _OF_SPECIES * directions(classes), directions(_KINDS)])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    shown = np.where(is_junk, classes + random.integers(_KINDS, size=photos), of_class)
    features = np.empty((photos, columns), np.float32)
    for start in range(0, photos, _BLOCK):  # the random numbers of all at once would double the memory
        rows = slice(start, start + _BLOCK)
        features[rows] = centres[shown[rows]] + _OWN_WAY * directions(len(shown[rows]))
    people = max(8, int(_PEOPLE * photos / classes))
    observers = of_class // 2 * people + random.integers(people, size=photos)
    return Made(of_class, features, observers, is_junk)
