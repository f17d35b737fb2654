"""Suspected wrong species: who is suspected, of what, and the rules that hold for every input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from mushroom_tasks.curation.labels.folds import FoldedPhotos, assign_folds
from mushroom_tasks.curation.labels.suspects import Suspects, find_suspects
from mushroom_tasks.errors import CurationError
from mushroom_tasks.settings import LabelSettings

FEATURES = 24
DEFAULTS = LabelSettings()


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Photos:
    """Synthetic photos of species, each around one direction or several, by ten observers of its own."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)
        self.looks: dict[str, NDArray[np.float64]] = {}
        self.labels: list[str] = []
        self.groups: list[str] = []
        self.observers: list[int] = []
        self.features: list[NDArray[np.float64]] = []

    def add(
        self, look: str, count: int, observers: list[int], label: str = "", group: str = "", spread: float = 0.6
    ) -> Photos:
        """Add photos of a look, filed under its own name or another."""
        centre = self.looks.setdefault(look, unit(self.random.normal(size=(1, FEATURES)))[0])
        self.features += list(centre + spread * unit(self.random.normal(size=(count, FEATURES))))
        self.labels += [label or look] * count
        self.groups += [group] * count
        self.observers += [observers[i % len(observers)] for i in range(count)]
        return self

    def arrays(self) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.int64]]:
        return np.array(self.labels), np.array(self.features, np.float32), np.array(self.observers, np.int64)

    def group(self, name: str) -> NDArray[np.bool_]:
        return np.array(self.groups) == name

    def suspects(self, exclude: NDArray[np.bool_] | None = None, **changes: Any) -> Suspects:
        nothing = np.zeros(len(self.labels), bool)
        return find_suspects(*self.arrays(), LabelSettings(**changes), nothing if exclude is None else exclude)


def forest() -> Photos:
    """Four species by ten people each."""
    photos = Photos()
    for number, name in enumerate(("alba", "badia", "cervina", "deliciosa")):
        photos.add(name, 40, list(range(10 * number, 10 * number + 10)))
    return photos


def test_find_suspects__finds_wrong_labels_and_names_what_they_show() -> None:
    photos = forest().add("alba", 1, [50], label="badia", group="wrong").add("cervina", 1, [3], "alba", group="wrong")
    found = photos.suspects()
    wrong = photos.group("wrong")
    assert found.is_suspected[wrong].all()
    assert found.suggested[wrong].tolist() == ["alba", "cervina"]
    assert (found.label_score[wrong] < 0.01).all()
    assert found.is_suspected[~wrong].mean() <= 0.02
    assert np.median(found.label_score[~wrong]) > 0.9


def test_find_suspects__nobodys_photos_speak_for_their_own_label() -> None:
    photos = forest().add("alba", 12, [77], label="badia", group="series", spread=0.1)
    found = photos.suspects()
    assert found.is_suspected[photos.group("series")].all()


def test_find_suspects__a_second_look_that_several_people_photographed_is_no_suspect() -> None:
    photos = forest().add("underside", 15, [10, 11, 12, 13, 60, 61], label="badia", group="second")
    found = photos.suspects()
    assert not found.is_suspected[photos.group("second")].any()


def test_find_suspects__junk_that_is_like_no_species_is_no_suspect() -> None:
    photos = forest()
    for junk in range(6):
        photos.add(f"junk {junk}", 1, [80 + junk], label="badia", group="junk")
    found = photos.suspects(exclude=photos.group("junk"))
    assert not found.is_suspected[photos.group("junk")].any()
    assert np.isfinite(found.label_score[photos.group("junk")]).all()


def test_find_suspects__learns_nothing_from_what_is_excluded() -> None:
    photos = forest().add("alba", 30, list(range(60, 90)), label="badia", group="many")
    many = photos.group("many")
    # As many photos of alba are filed as badia as are filed rightly: who learns from them cannot tell.
    assert np.median(photos.suspects().label_score[many]) > 0.3
    assert np.median(photos.suspects(exclude=many).label_score[many]) < 0.05


def test_find_suspects__min_odds_says_how_much_likelier_the_other_species_has_to_be() -> None:
    photos = forest()
    for number, spread in enumerate(np.linspace(0.6, 6, 12)):  # from surely alba to anything
        photos.add("alba", 1, [50 + number], label="badia", spread=spread)
    scores = photos.suspects().label_score.astype(np.float64)
    row = int(np.flatnonzero((scores > 1e-6) & (scores < 0.1))[0])
    odds = (1 - scores[row]) / scores[row]  # of all other species together, of which one has most
    assert photos.suspects(min_odds=odds / 3).is_suspected[row]
    assert not photos.suspects(min_odds=odds * 1.01).is_suspected[row]


def test_find_suspects__knows_nothing_of_a_species_that_one_person_photographed() -> None:
    photos = forest().add("solitaria", 8, [500], group="alone")
    found = photos.suspects()
    alone = photos.group("alone")
    assert np.isnan(found.label_score[alone]).all()
    assert found.suggested[alone].tolist() == [None] * 8
    assert not found.is_suspected[alone].any()
    assert np.isfinite(found.label_score[~alone]).all()


def test_find_suspects__believes_the_few_others_where_one_person_photographed_nearly_all_of_a_species() -> None:
    photos = forest().add("young", 400, [500], label="deserta", group="one")
    photos.add("old", 400, [500], label="deserta", group="one")
    photos.add("young", 6, [400, 600], label="deserta").add("old", 6, [450, 451, 650], label="deserta")
    found = photos.suspects()
    assert not found.is_suspected[photos.group("one")].any()
    assert np.quantile(found.label_score[photos.group("one")], 0.01) > 0.9


def test_references__are_by_as_many_observers_as_there_are() -> None:
    photos = forest().add("deserta", 900, [500]).add("deserta", 40, [501]).add("deserta", 6, [1, 502, 503])
    _, species = np.unique(photos.labels, return_inverse=True)
    _, features, observers = photos.arrays()
    fitted = np.arange(len(species)) % 7 > 0
    references = FoldedPhotos(features, species, observers, fitted, folds=8).references(60)

    assert fitted[references].all()
    assert len(set(references)) == len(references)
    assert (np.diff(species[references]) >= 0).all()
    of_deserta = references[species[references] == species[-1]]
    assert len(of_deserta) == 60
    given, there = (
        np.bincount(observers[rows], minlength=504)
        for rows in (of_deserta, np.flatnonzero(fitted & (species == species[-1])))
    )
    assert (given[[1, 502, 503]] == there[[1, 502, 503]]).all()
    assert abs(given[500] - given[501]) <= 1
    others = fitted & (species != species[-1])
    assert sorted(references[species[references] != species[-1]]) == np.flatnonzero(others).tolist()


@pytest.mark.parametrize("case", ["one species", "one observer", "all excluded"])
def test_find_suspects__suspects_nobody_where_there_is_nobody_to_ask(case: str) -> None:
    photos = Photos().add("alba", 20, [1, 2, 3]) if case == "one species" else forest()
    labels, features, observers = photos.arrays()
    observers = np.zeros_like(observers) if case == "one observer" else observers
    found = find_suspects(labels, features, observers, DEFAULTS, np.full(len(labels), case == "all excluded"))
    assert np.isnan(found.label_score).all()
    assert not found.is_suspected.any()
    assert set(found.suggested) == {None}


@pytest.mark.parametrize("seed", [0, 1])
def test_find_suspects__order_of_rows_does_not_matter(seed: int) -> None:
    labels, features, observers = forest().add("alba", 2, [50], label="badia").arrays()
    nothing = np.zeros(len(labels), bool)
    order = np.random.default_rng(seed).permutation(len(labels))
    here = find_suspects(labels, features, observers, DEFAULTS, nothing)
    there = find_suspects(labels[order], features[order], observers[order], DEFAULTS, nothing)
    assert np.allclose(here.label_score[order], there.label_score, rtol=1e-3, atol=1e-6)
    assert (here.suggested[order] == there.suggested).all()
    assert (here.is_suspected[order] == there.is_suspected).all()


def test_find_suspects__is_the_same_every_time_and_changes_no_input() -> None:
    given = forest().arrays()
    kept = [array.copy() for array in given]
    nothing = np.zeros(len(given[0]), bool)
    first, second = (find_suspects(*given, DEFAULTS, nothing) for _ in range(2))
    assert (first.label_score == second.label_score).all()
    assert all((before == after).all() for before, after in zip(kept, given, strict=True))
    assert not nothing.any()


def test_find_suspects__takes_numbers_for_classes() -> None:
    labels, features, observers = forest().add("alba", 1, [50], label="badia").arrays()
    names, taxa = np.unique(labels, return_inverse=True)
    found = find_suspects(taxa + 47_000, features, observers, DEFAULTS, np.zeros(len(taxa), bool))
    assert found.suggested[-1] == 47_000 + names.tolist().index("alba")


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_find_suspects__rules_hold_for_any_photos(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 40))
    # Few distinct values, so that photos repeat and species are all alike.
    values = arrays(np.float32, (count, 3), elements=st.sampled_from([0.0, 1.0, -1.0, 2.0]))
    features = data.draw(values) + np.float32(0.5)
    classes = data.draw(arrays(np.int64, count, elements=st.integers(0, 3)))
    observers = data.draw(arrays(np.int64, count, elements=st.integers(0, 9)))
    exclude = data.draw(arrays(np.bool_, count))
    odds = data.draw(st.sampled_from([1.5, 100.0]))
    found = find_suspects(classes, features, observers, LabelSettings(min_odds=odds, folds=3), exclude)
    known = ~np.isnan(found.label_score)
    assert ((found.label_score[known] >= 0) & (found.label_score[known] <= 1)).all()
    assert [suggestion is not None for suggestion in found.suggested] == known.tolist()
    assert (found.suggested[known] != classes[known]).all()
    assert np.isin(found.suggested[known].astype(int), classes[~exclude]).all()
    assert (found.label_score[found.is_suspected] <= 1 / (1 + odds) + 1e-6).all()
    assert not found.is_suspected[~known | exclude].any()


def test_find_suspects__refuses_shapes_that_do_not_fit() -> None:
    labels, features, observers = forest().arrays()
    with pytest.raises(CurationError, match=r"Received: \(160,\), \(159, 24\), \(160,\), \(160,\)"):
        find_suspects(labels, features[1:], observers, DEFAULTS, np.zeros(160, bool))


@given(arrays(np.int64, st.integers(1, 200), elements=st.integers(0, 30)), st.integers(2, 10))
def test_assign_folds__keeps_observers_whole_and_folds_even(observers: NDArray[np.int64], folds: int) -> None:
    fold = assign_folds(observers, folds)
    assert all(len(set(fold[observers == name])) == 1 for name in observers)
    sizes = np.bincount(fold)
    assert len(sizes) == min(folds, len(set(observers)))
    # Each went to the emptiest, so no fold is ahead of another by more than one observer's photos.
    assert sizes.max() - sizes.min() <= np.bincount(observers).max()
