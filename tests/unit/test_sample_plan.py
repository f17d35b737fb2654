"""What a sample bucket is made of, before anything is drawn."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from mushroom_tasks.errors import SettingsError
from mushroom_tasks.sample.catalogue import RARE, SPECIES
from mushroom_tasks.sample.plan import FAULTS, OBSERVERS, make_plan

PLAN = make_plan(species=8, photos_per_species=40, seed=1)
WANTED = [photo for photo in PLAN.photos if photo.label is not RARE]


def test_make_plan__files_as_many_photos_under_each_species_as_asked() -> None:
    assert Counter(photo.label.name for photo in WANTED) == {one.name: 40 for one in SPECIES[:8]}


def test_make_plan__adds_a_species_with_too_few_photos() -> None:
    assert 2 <= len(PLAN.photos) - len(WANTED) < 20


def test_make_plan__is_the_same_for_the_same_seed_and_differs_for_another() -> None:
    assert make_plan(species=8, photos_per_species=40, seed=1) == PLAN
    assert make_plan(species=8, photos_per_species=40, seed=2).photos != PLAN.photos


@pytest.mark.parametrize("seed", range(5))
def test_make_plan__contaminates_about_a_tenth(seed: int) -> None:
    photos = make_plan(species=8, photos_per_species=40, seed=seed).photos
    assert 0.09 <= sum(photo.kind != "clean" for photo in photos) / len(photos) <= 0.13


def test_make_plan__a_clump_is_one_observation_of_one_observer_in_one_species() -> None:
    clumps = defaultdict(list)
    for photo in PLAN.photos:
        if photo.kind.startswith("clump:"):
            clumps[photo.observation].append(photo)
    assert len(clumps) == 2
    for photos in clumps.values():
        assert len({(photo.label.name, photo.observer_id, photo.kind) for photo in photos}) == 1
        assert sorted(photo.position for photo in photos) == list(range(8))


def test_make_plan__shows_nothing_on_junk_and_another_species_on_mislabels() -> None:
    for photo in PLAN.photos:
        if photo.kind == "mislabel":
            assert photo.shown is not None
            assert photo.shown is not photo.label
        else:
            assert photo.shown is (photo.label if photo.kind == "clean" else None)


def test_make_plan__breaks_clean_photos_in_every_way() -> None:
    broken = [photo for photo in PLAN.photos if photo.fault]
    assert {photo.fault for photo in broken} == set(FAULTS)
    assert {photo.kind for photo in broken} == {"clean"}


def test_make_plan__small_buckets_stay_mostly_whole() -> None:
    photos = make_plan(species=2, photos_per_species=8, seed=1).photos
    assert [photo.fault for photo in photos if photo.fault] != []
    assert sum(photo.fault in ("missing", "empty", "html", "truncated") for photo in photos) <= len(photos) * 0.1


@pytest.mark.parametrize("seed", range(5))
def test_make_plan__gives_each_species_many_observers_and_none_that_dominates(seed: int) -> None:
    observers = defaultdict(Counter)
    for photo in make_plan(species=8, photos_per_species=40, seed=seed).photos:
        if photo.label is not RARE and not photo.kind.startswith("clump:"):
            observers[photo.label.name][photo.observer_id] += 1
    for counts in observers.values():
        assert len(counts) >= 15
        assert max(counts.values()) <= 10
    assert len(set().union(*observers.values())) <= OBSERVERS


def test_make_plan__several_photos_share_an_observation_of_one_observer() -> None:
    observations = defaultdict(list)
    for photo in PLAN.photos:
        observations[photo.observation].append(photo)
    assert Counter(map(len, observations.values()))[2] > 10
    assert all(len({(p.observer_id, p.label.name) for p in photos}) == 1 for photos in observations.values())


def test_make_plan__photo_ids_are_unique() -> None:
    assert len({photo.photo_id for photo in PLAN.photos}) == len(PLAN.photos)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("species", 1),
        ("species", len(SPECIES) + 1),
        ("photos_per_species", 3),
        ("seed", -1),
        ("seed", 1.5),
        ("species", True),
    ],
)
def test_make_plan__names_the_parameter_that_is_out_of_range(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=rf"{name} .* Received: {value!r}"):
        make_plan(**{"species": 2, "photos_per_species": 8, "seed": 1, name: value})
