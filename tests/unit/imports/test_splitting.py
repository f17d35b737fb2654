"""Which split an observer falls in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mushroom_tasks.imports.splitting import SplitShares, share_of, split_of

SHARES = SplitShares(seed=1, test=0.2, validation=0.2)
observers = st.integers(1, 2**53)


@given(observers, st.integers(0, 9))
def test_share_of__is_a_share(observer: int, seed: int) -> None:
    assert 0 <= share_of(seed, observer) < 1


def test_split_of__gives_the_shares_asked_for() -> None:
    splits = [split_of(number, SHARES) for number in range(10_000)]
    assert splits.count("test") == pytest.approx(2000, rel=0.1)
    assert splits.count("validation") == pytest.approx(2000, rel=0.1)


@given(observers, st.floats(0.01, 0.4))
def test_split_of__another_validation_share_leaves_the_test_split(observer: int, validation: float) -> None:
    other = SplitShares(SHARES.seed, SHARES.test, validation)
    assert (split_of(observer, SHARES) == "test") == (split_of(observer, other) == "test")


@given(observers, st.sampled_from(["validation", "test"]))
def test_split_of__what_the_source_holds_out_stays_held_out(observer: int, given_split: str) -> None:
    assert split_of(observer, SHARES, given_split, frozenset({"train", given_split})) == given_split


@given(observers)
def test_split_of__only_what_the_source_lacks_is_cut_from_its_training_photos(observer: int) -> None:
    has_test = split_of(observer, SHARES, "train", frozenset({"train", "test"}))
    assert has_test == ("validation" if split_of(observer, SHARES) == "validation" else "train")
    assert split_of(observer, SHARES, "train", frozenset({"train", "validation", "test"})) == "train"
    assert split_of(observer, SHARES, "train", frozenset({"train"})) == split_of(observer, SHARES)
