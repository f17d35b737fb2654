"""Near-duplicates: the rule, whom it is asked of, which photo stays, and that size does not hurt."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mushroom_tasks.curation import duplicates
from mushroom_tasks.curation.duplicates import NONE, Duplicates, find
from mushroom_tasks.errors import CurationError
from mushroom_tasks.perceptual_hash import distances, mirrored
from mushroom_tasks.settings import DuplicateSettings

SETTINGS = DuplicateSettings(max_bits=20, max_distance=1.0)
FEW_BITS = 7


@dataclass
class Photos:
    """Photos that are added one by one; each looks like no other unless it is made from one."""

    seed: int = 0
    ids: list[int] = field(default_factory=list)
    taxa: list[int] = field(default_factory=list)
    observers: list[int] = field(default_factory=list)
    sha256: list[str] = field(default_factory=list)
    hashes: list[int] = field(default_factory=list)
    embeddings: list[NDArray[np.float64]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def add(self, photo_id: int, taxon: int = 1, observer: int | None = None, sha256: str | None = None) -> int:
        """A photo like no other; returns its position."""
        self.ids.append(photo_id)
        self.taxa.append(taxon)
        self.observers.append(photo_id if observer is None else observer)
        self.sha256.append(sha256 or f"content {photo_id}")
        self.hashes.append(int(self.rng.integers(2**64, dtype=np.uint64)))
        self.embeddings.append(self.rng.normal(size=64))
        return len(self.ids) - 1

    def like(
        self, model: int, photo_id: int, bits: int, distance: float, *, flipped: bool = False, **about: int
    ) -> int:
        """A photo whose hash differs from another's in so many bits, and whose embedding is so far away."""
        position = self.add(photo_id, **about)
        changed = self.rng.permutation(64)[:bits]
        value = self.hashes[model] ^ int(sum(1 << int(bit) for bit in changed))
        self.hashes[position] = int(mirrored(np.array([value], np.uint64))[0]) if flipped else value
        direction = self.embeddings[model] / np.linalg.norm(self.embeddings[model])
        across = self.embeddings[position] - direction * (self.embeddings[position] @ direction)
        angle = 2 * np.arcsin(distance / 2)
        turned = np.cos(angle) * direction + np.sin(angle) * across / np.linalg.norm(across)
        self.embeddings[position] = turned * self.rng.uniform(1, 30)
        return position

    def find(
        self,
        settings: DuplicateSettings = SETTINGS,
        order: NDArray[np.int64] | None = None,
        is_poor: list[bool] | None = None,
    ) -> Duplicates:
        order = np.arange(len(self.ids)) if order is None else order
        rows = pa.table(
            {
                "photo_id": np.array(self.ids, np.int64)[order],
                "taxon_id": np.array(self.taxa, np.int64)[order],
                "observer_id": np.array(self.observers, np.int64)[order],
                "sha256": [self.sha256[i] for i in order],
            }
        )
        hashes = np.array(self.hashes, np.uint64)[order]
        embeddings = np.array(self.embeddings, np.float32).reshape(-1, 64)[order]
        return find(rows, hashes, embeddings, settings, None if is_poor is None else np.array(is_poor)[order])


def stays_for(found: Duplicates, photos: Photos) -> dict[int, int]:
    """Which photo each duplicate is one of."""
    pairs = zip(photos.ids, found.duplicate_of.tolist(), strict=True)
    return {photo_id: other for photo_id, other in pairs if other != NONE}


# --- the rule


@pytest.mark.parametrize(
    ("bits", "distance", "is_same"),
    [
        (0, 0.95, True),
        (0, 1.05, False),
        (10, 0.45, True),
        (10, 0.55, False),
        (19, 0.04, True),
        (19, 0.1, False),
        (21, 0.0, False),
    ],
)
@pytest.mark.parametrize("flipped", [False, True])
def test_find__weighs_hash_against_embedding(bits: int, distance: float, is_same: bool, flipped: bool) -> None:
    photos = Photos()
    photos.like(photos.add(10), 20, bits, distance, flipped=flipped)

    assert stays_for(photos.find(), photos) == ({20: 10} if is_same else {})


@pytest.mark.parametrize(
    ("about", "bits", "is_found"),
    [
        ({"taxon": 1, "observer": 2}, 12, True),
        ({"taxon": 2, "observer": 10}, 12, True),
        ({"taxon": 2, "observer": 2}, FEW_BITS, True),
        ({"taxon": 2, "observer": 2}, 12, False),
    ],
)
def test_find__compares_all_of_a_species_and_of_an_observer_and_the_most_alike_of_others(
    about: dict[str, int], bits: int, is_found: bool
) -> None:
    for seed in range(20):
        photos = Photos(seed)
        photos.like(photos.add(10, taxon=1, observer=10), 20, bits, 0.2, **about)
        found = photos.find()
        assert len(set(found.group.tolist())) == (1 if is_found else 2)


def test_find__files_of_equal_content_are_one_picture_whatever_they_look_like() -> None:
    photos = Photos()
    for photo_id in (30, 10, 20):
        photos.add(photo_id, sha256="the same")
    for settings in (SETTINGS, DuplicateSettings(max_bits=0)):
        assert stays_for(photos.find(settings), photos) == {30: 10, 20: 10}


def test_find__without_bits_finds_equal_files_only() -> None:
    photos = Photos()
    photos.like(photos.add(10), 20, 0, 0.0)
    assert stays_for(photos.find(DuplicateSettings(max_bits=0)), photos) == {}


# --- which one stays


def test_find__the_lowest_id_stays_for_a_whole_chain() -> None:
    photos = Photos()
    first = photos.add(40)
    second = photos.like(first, 30, 8, 0.3)
    third = photos.like(second, 20, 8, 0.3)
    photos.like(third, 10, 8, 0.3)

    assert stays_for(photos.find(), photos) == {40: 10, 30: 10, 20: 10}
    assert photos.find().group.tolist() == [10] * 4


@pytest.mark.parametrize(
    ("is_poor", "stays"),
    [
        ([False] * 3, 10),
        ([True, False, False], 20),
        ([True, False, True], 20),
        ([True, True, False], 30),
        ([True] * 3, 10),
    ],
)
def test_find__a_poor_photo_stays_only_where_all_are(is_poor: list[bool], stays: int) -> None:
    photos = Photos()
    first = photos.add(10)
    photos.like(first, 20, 1, 0.1)
    photos.like(first, 30, 1, 0.1)
    found = photos.find(is_poor=is_poor)

    assert stays_for(found, photos) == {photo_id: stays for photo_id in (10, 20, 30) if photo_id != stays}
    assert found.group.tolist() == [10] * 3


def test_find__a_picture_of_two_species_is_marked_and_one_of_each_stays() -> None:
    photos = Photos()
    first = photos.add(10, taxon=1)
    photos.like(first, 11, 1, 0.1, taxon=2)
    photos.like(first, 12, 1, 0.1, taxon=1)
    photos.like(first, 13, 1, 0.1, taxon=2)
    photos.add(14, taxon=2)
    found = photos.find()

    assert stays_for(found, photos) == {12: 10, 13: 11}
    assert found.two_labels.tolist() == [True, True, True, True, False]
    assert found.group.tolist() == [10, 10, 10, 10, 14]


def test_find__equal_features_settle_what_the_hash_leaves_open() -> None:
    photos = Photos()
    for first in range(10, 200, 10):
        photos.like(photos.add(first), first + 1, SETTINGS.max_bits, 0.0)
    assert stays_for(photos.find(), photos) == {first + 1: first for first in range(10, 200, 10)}


def test_find__photos_without_features_are_like_no_other() -> None:
    photos = Photos()
    photos.like(photos.add(10), 11, 0, 0.0)
    photos.embeddings = [np.zeros(64)] * 2
    assert stays_for(photos.find(), photos) == {}


def test_find__an_added_photo_leaves_those_that_were_kept() -> None:
    photos = Photos()
    models = [photos.add(photo_id) for photo_id in range(100, 110)]
    before = photos.find()
    for number, model in enumerate(models):
        photos.like(model, 200 + number, 2, 0.2)
    after = photos.find()

    assert (before.duplicate_of == NONE).all()
    assert (after.duplicate_of[:10] == NONE).all()
    assert stays_for(after, photos) == {200 + number: 100 + number for number in range(10)}


# --- for all photos


@st.composite
def crowds(draw: st.DrawFn) -> Photos:
    """Photos of few species and observers, most of them made from another one, more or less alike."""
    photos = Photos(draw(st.integers(0, 2**32)))
    count = draw(st.integers(1, 25))
    ids = draw(st.permutations(range(1, count + 1)))
    for position, photo_id in enumerate(ids):
        about = {"taxon": draw(st.integers(1, 3)), "observer": draw(st.integers(1, 4))}
        if position and draw(st.booleans()):
            model = draw(st.integers(0, position - 1))
            bits, distance = draw(st.integers(0, 24)), draw(st.sampled_from([0.0, 0.13, 0.31, 0.57, 0.83]))
            photos.like(model, photo_id, bits, distance, flipped=draw(st.booleans()), **about)
        else:
            photos.add(photo_id, **about)
    return photos


def is_one_picture(photos: Photos) -> NDArray[np.bool_]:
    """The rule of the module, pair by pair."""
    hashes = np.array(photos.hashes, np.uint64)
    bits = np.minimum(
        distances(hashes[:, None], hashes[None, :]), distances(hashes[:, None], mirrored(hashes)[None, :])
    ).astype(float)
    features = np.array(photos.embeddings)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    apart = np.linalg.norm(features[:, None] - features[None, :], axis=2)
    taxa, observers = np.array(photos.taxa), np.array(photos.observers)
    is_compared = (taxa[:, None] == taxa[None, :]) | (observers[:, None] == observers[None, :]) | (bits <= FEW_BITS)
    # Up to rounding: features of equal direction differ by 1e-16 after scaling, and by 1e-7 as float32.
    return is_compared & (bits / SETTINGS.max_bits + (apart - 1e-6) / SETTINGS.max_distance <= 1)


@hypothesis_settings(max_examples=80, deadline=None)
@given(crowds(), st.randoms(use_true_random=False))
def test_find__is_the_rule_passed_on_in_any_order(photos: Photos, random) -> None:
    reach = is_one_picture(photos)
    for _ in photos.ids:
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    ids, taxa = np.array(photos.ids), np.array(photos.taxa)
    order = np.array(random.sample(range(len(ids)), len(ids)))
    found = photos.find(order=order)

    for position, row in enumerate(order):
        same = reach[row]
        lowest = ids[same & (taxa == taxa[row])].min()
        assert found.group[position] == ids[same].min()
        assert found.duplicate_of[position] == (NONE if lowest == ids[row] else lowest)
        assert found.two_labels[position] == (len(set(taxa[same])) > 1)


@hypothesis_settings(max_examples=60, deadline=None)
@given(crowds())
def test_find__no_two_of_what_is_kept_are_one_picture(photos: Photos) -> None:
    """So none is in two splits, however the splits are made."""
    found = photos.find()
    kept = (found.duplicate_of == NONE) & ~found.two_labels
    alike = is_one_picture(photos)[np.ix_(kept, kept)]

    assert not (alike & ~np.eye(kept.sum(), dtype=bool)).any()


# --- many photos, and none


def test_find__takes_many_photos_in_little_memory() -> None:
    """Copies in other species by others, that only equal bands of bits can find, among 40,000 photos."""
    count, copies = 40_000, 500
    rng = np.random.default_rng(0)
    hashes = rng.integers(2**64, size=count, dtype=np.uint64)
    models = rng.permutation(count - copies)[:copies]
    changed = rng.permuted(np.tile(np.arange(64, dtype=np.uint64), (copies, 1)), axis=1)[:, :FEW_BITS]
    hashes[-copies:] = hashes[models] ^ np.bitwise_or.reduce(np.uint64(1) << changed, axis=1)
    hashes[-copies // 2 :] = mirrored(hashes[-copies // 2 :])
    embeddings = rng.normal(size=(count, 8)).astype(np.float32)
    embeddings[-copies:] = embeddings[models]
    ids = np.arange(1, count + 1)
    rows = pa.table({"photo_id": ids, "taxon_id": ids % 400, "observer_id": ids, "sha256": ids.astype(str)})

    tracemalloc.start()
    found = find(rows, hashes, embeddings, SETTINGS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    np.testing.assert_array_equal(found.group[-copies:], ids[models])
    assert (found.group[:-copies] == ids[:-copies]).all()
    assert peak < 100e6


def test_find__compares_so_many_photos_of_one_observer_by_their_bands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = Photos()
    models = [photos.add(number, taxon=number, observer=5) for number in range(1, 31)]
    for model in models[:10]:
        photos.like(model, 100 + model, FEW_BITS, 0.2, taxon=200 + model, observer=5, flipped=model % 2 == 0)
    apart = photos.like(models[20], 300, 12, 0.2, taxon=300, observer=5)
    within = photos.like(models[21], 301, 12, 0.2, taxon=photos.taxa[models[21]], observer=5)
    count = len(photos.ids)
    monkeypatch.setattr(duplicates, "_MANY", count)
    few = photos.find()
    monkeypatch.setattr(duplicates, "_MANY", count - 1)
    many = photos.find()

    for found in (few, many):
        assert found.group[30:40].tolist() == [photos.ids[model] for model in models[:10]]
        assert found.group[within] == photos.ids[models[21]]
    assert (few.group[apart], many.group[apart]) == (photos.ids[models[20]], 300)


def test_find__a_picture_that_is_there_a_thousand_times_is_one_group() -> None:
    count = 1_500
    ids = np.arange(1, count + 1)
    rows = pa.table({"photo_id": ids, "taxon_id": ids % 2, "observer_id": ids % 7, "sha256": ids.astype(str)})
    found = find(rows, np.full(count, 12345, np.uint64), np.ones((count, 8), np.float32), SETTINGS)

    assert set(found.group.tolist()) == {1}
    assert found.two_labels.all()
    assert np.flatnonzero(found.duplicate_of == NONE).tolist() == [0, 1]


@pytest.mark.parametrize("count", [0, 1])
def test_find__takes_few_photos(count: int) -> None:
    photos = Photos()
    for photo_id in range(1, count + 1):
        photos.add(photo_id)
    found = photos.find()
    assert found.duplicate_of.tolist() == [NONE] * count
    assert found.group.tolist() == photos.ids


def test_find__refuses_lengths_that_do_not_fit() -> None:
    rows = pa.table({"photo_id": [1], "taxon_id": [1], "observer_id": [1], "sha256": ["a"]})
    with pytest.raises(CurationError, match="1 photos, 2 hashes, 1 embeddings"):
        find(rows, np.zeros(2, np.uint64), np.ones((1, 8), np.float32), SETTINGS)
