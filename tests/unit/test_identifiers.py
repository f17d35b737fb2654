"""Ids of what iNaturalist does not have."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mushroom_tasks.identifiers import FIRST_OWN_ID, is_own, own_id

texts = st.text(max_size=30)


@given(texts)
def test_own_id__is_beyond_inaturalist_and_exact_in_a_float(text: str) -> None:
    number = own_id("taxon", text)
    assert FIRST_OWN_ID <= number < 2**53
    assert int(float(number)) == number
    assert is_own(number)


def test_own_id__is_the_same_everywhere() -> None:
    assert own_id("taxon", "Amanita muscaria") == 5102321690669245
    assert own_id("observer", "Amanita muscaria") != own_id("taxon", "Amanita muscaria")


def test_is_own__no_id_of_inaturalist_is() -> None:
    assert not any(is_own(number) for number in (1, 48715, 10**10, FIRST_OWN_ID - 1))
