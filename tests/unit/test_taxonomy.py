"""The tree of taxa."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mushroom_tasks.inat.taxonomy import TaxonRow, ancestors, species_of, wanted

TREE = [
    TaxonRow(1, "", "stateofmatter", True),
    TaxonRow(10, "1", "kingdom", True),
    TaxonRow(20, "1/10", "genus", True),
    TaxonRow(21, "1/10/20", "species", True),
    TaxonRow(22, "1/10/20/21", "variety", True),
    TaxonRow(23, "1/10/20/21/22", "form", True),
    TaxonRow(24, "1/10/20", "hybrid", True),
    TaxonRow(25, "1/10/20/24", "infrahybrid", True),
    TaxonRow(26, "1/10/20", "species", False),
    TaxonRow(27, "1/10/20/26", "subspecies", True),
    TaxonRow(28, "1/10/20/21", "subspecies", False),
    TaxonRow(29, "1/10", "genushybrid", True),
    TaxonRow(30, "1/10/20", "complex", True),
    TaxonRow(31, "1/10/20/30", "species", True),
    TaxonRow(32, "1/10/20/99", "variety", True),
    TaxonRow(100, "1", "kingdom", True),
    TaxonRow(101, "1/100", "species", True),
]


def test_ancestors__from_the_root_down() -> None:
    assert ancestors("48460/47170/47169") == (48460, 47170, 47169)
    assert ancestors("") == ()


def test_species_of__rolls_infraspecific_ranks_up() -> None:
    found = species_of(TREE, [10])
    assert found[22] == found[23] == found[21] == 21


def test_species_of__leaves_out_what_is_no_species() -> None:
    assert species_of(TREE, [10]) == {21: 21, 22: 21, 23: 21, 31: 31}


def test_species_of__takes_a_species_as_a_root() -> None:
    assert species_of(TREE, [21]) == {21: 21, 22: 21, 23: 21}


@pytest.mark.parametrize(("roots", "expected"), [([10], 14), ([100], 2), ([20, 100], 14), ([2], 0), ([1], 17)])
def test_wanted__counts_roots_and_descendants(roots: list[int], expected: int) -> None:
    assert wanted(_batch(TREE), roots).true_count == expected


@given(st.lists(st.integers(1, 130), max_size=8), st.sets(st.integers(1, 130), min_size=1, max_size=3))
def test_wanted__agrees_with_ancestors(line: list[int], roots: set[int]) -> None:
    """No id is mistaken for one that merely contains its digits."""
    taxon = TaxonRow(131, "/".join(str(part) for part in line), "genus", True)
    assert wanted(_batch([taxon]), roots).to_pylist() == [not roots.isdisjoint(line)]


def _batch(taxa: list[TaxonRow]) -> pa.RecordBatch:
    return pa.record_batch({"taxon_id": [t.taxon_id for t in taxa], "ancestry": [t.ancestry for t in taxa]})
