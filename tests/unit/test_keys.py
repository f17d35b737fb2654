"""Sets of ids and of uuids."""

from __future__ import annotations

import uuid

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mushroom_tasks.inat.loading.blocks import PAD, Block
from mushroom_tasks.inat.loading.keys import LARGEST_ID, ByIds, ByUuids, Ids, Uuids
from mushroom_tasks.inat.loading.rows import Rows, split
from mushroom_tasks.inat.vectors import Words

_IDS = st.lists(st.integers(0, 200_000))


def _column(values: list[str]) -> Rows:
    text = "".join(f"{value}\tx\n" for value in values).encode()
    padded = np.frombuffer(bytes(PAD) + text + bytes(PAD), np.uint8)
    return split(Block(padded, PAD, PAD + len(text), 1), 2)[0]


def _words(numbers: list[int]) -> Words:
    return np.array([(n >> 64, n & (2**64 - 1)) for n in numbers], np.uint64).reshape(-1, 2)


@settings(deadline=None)  # a busy machine is no fault of the code
@given(_IDS, _IDS, _IDS)
def test_ids__knows_the_last_kind_of_each(first: list[int], second: list[int], asked: list[int]) -> None:
    ids = Ids()
    ids.add(np.array(first, np.int32), 1)
    ids.add(np.array(second, np.int32), 2)
    kinds = {**dict.fromkeys(first, 1), **dict.fromkeys(second, 2)}
    everyone = [*first, *second, *asked, LARGEST_ID, 10**17]
    assert ids.kinds(np.array(everyone, np.int64)).tolist() == [kinds.get(each, 0) for each in everyone]


def test_ids__takes_no_memory_for_gaps() -> None:
    ids = Ids()
    ids.add(np.array([3, LARGEST_ID - 1], np.int64))
    assert ids.kinds(np.array([3, 4, LARGEST_ID - 1, LARGEST_ID], np.int64)).tolist() == [1, 0, 1, 0]


def test_by_ids__tells_unwanted_unknown_and_malformed_apart() -> None:
    ids = Ids()
    ids.add(np.array([1, 2, 3], np.int64), 1)
    ids.add(np.array([2], np.int64), 2)
    judge = ByIds("taxon_id", ids, least=2, empty_is_fine=True)
    wanted, malformed = judge.judge(_column(["1", "2", "9", "", "-1", "1e3", "123456789012"]), 0)
    assert np.flatnonzero(wanted).tolist() == [1]
    assert np.flatnonzero(malformed).tolist() == [4, 5]
    assert judge.unknown == 2


def test_by_ids__refuses_empty_keys() -> None:
    assert ByIds("observer_id", Ids()).judge(_column(["", "7"]), 0)[1].tolist() == [True, False]


@settings(deadline=None)  # a busy machine is no fault of the code
@given(st.lists(st.uuids()), st.lists(st.uuids()))
def test_by_uuids__wants_those_in_the_set(inside: list[uuid.UUID], others: list[uuid.UUID]) -> None:
    judge = ByUuids("observation_uuid", Uuids([_words([each.int for each in inside])]))
    asked = [*inside, *others]
    for texts in ([str(each) for each in asked], [str(each).upper() for each in asked]):
        wanted, malformed = judge.judge(_column(texts), 0)
        assert wanted.tolist() == [each in inside for each in asked]
        assert not malformed.any()


def test_by_uuids__tells_uuids_apart_that_share_a_half() -> None:
    numbers = [5 << 64 | n for n in (9, 2, 7)]
    uuids = Uuids([_words(numbers[:1]), _words(numbers[1:])])
    asked = [*numbers, 5 << 64 | 3, 5 << 64 | 8, 4 << 64 | 9, 6 << 64 | 9]
    assert uuids.contains(_words(asked)).tolist() == [True] * 3 + [False] * 4


def test_by_uuids__refuses_what_is_no_uuid() -> None:
    good = uuid.UUID(int=0xE23B619F << 96)
    judge = ByUuids("observation_uuid", Uuids([_words([good.int])]))
    wanted, malformed = judge.judge(_column([str(good), str(good)[:-1], "", str(good)[:-1] + "x"]), 0)
    assert wanted.tolist() == [True, False, False, False]
    assert malformed.tolist() == [False, True, True, True]


def test_uuids__may_be_none() -> None:
    wanted, malformed = ByUuids("observation_uuid", Uuids([])).judge(_column([str(uuid.UUID(int=1))]), 0)
    assert (wanted.tolist(), malformed.tolist()) == ([False], [False])
