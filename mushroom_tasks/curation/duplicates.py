"""Photos that are one picture: uploaded twice, recompressed, resized, slightly cropped or mirrored.

Two photos are one picture where their perceptual hashes, as they are or with one mirrored, and their embeddings are
alike, and what the one leaves open the other settles:

    differing bits / max_bits + distance of embeddings / max_distance <= 1

A recompressed photo has nearly the same hash; a cropped one another hash, but nearly the same embedding; two mushrooms
in the same pose have similar hashes and different embeddings, two shots of one mushroom the reverse.

Not all pairs are compared. Files of equal content are found by their checksum. Pairs of one species and pairs of one
observer, where nearly all duplicates are, are compared all, by their hashes, unless there are more than `_MANY` of
their photos. All other pairs are found if at most `_FEW_BITS` bits differ: then at least one of as many bands of bits
and one more is equal (Norouzi et al. 2012), and only photos with an equal band are compared. Embeddings are read for
pairs with similar hashes alone.

Alike is passed on: if A is B, and B is C, all are one group. Of each species in it the lowest photo_id stays, which is
the earliest upload, so that a growing data set keeps the photos it had; a copy too poor to learn from stays only where
all are. So no picture is kept twice under one species. Of one under two species people have to say which is right;
until they do, evaluation leaves it out where training has it.

    found = find(rows, looks["hash"].to_numpy(), embeddings, settings.duplicates, is_poor)
    kept = found.duplicate_of == NONE

Cost: a million photos of 2,000 species take three minutes of one core, and 200 MB beside the embeddings, which may be
a memory map.

References
----------
Norouzi, Punjani, Fleet (2012), "Fast search in Hamming space with multi-index hashing".
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mushroom_tasks.curation.features import unit
from mushroom_tasks.errors import CurationError
from mushroom_tasks.perceptual_hash import BITS, distances, mirrored
from mushroom_tasks.settings import DuplicateSettings

logger = logging.getLogger(__name__)

NONE = -1  # no photo
_FEW_BITS = 7  # recompression, resizing, mirroring and light change 6 of 64 bits at the most
# Photos of one species or of one observer of which all pairs are compared. That takes half a second and grows with the
# square: four seconds for 50,000, half an hour for a million. Of more photos only the bands tell, at a thirtieth of the
# cost; they miss pairs that differ in more than _FEW_BITS bits. One observer's photos of one species are compared even
# then, unless the species is as large.
_MANY = 20_000
_COMPARED = 1 << 17  # pairs of hashes at once: 1 MB stays in a processor's cache
_ROUNDING = 1e-6  # of distances between float32 features: equal ones are as alike as can be
_CONFIRMED = 4_096  # pairs of embeddings at once: 40 MB at 1,280 features

_Rows = NDArray[np.int64]
_Pairs = tuple[_Rows, _Rows, NDArray[np.uint8]]


@dataclass(frozen=True)
class Duplicates:
    """The outcome per photo, in the order of the input.

    Attributes
    ----------
    duplicate_of : int64 (N,)
        photo_id of the photo of the same species that stands for this one too; `NONE` where this one stays.
    two_labels : bool (N,)
        Whether the same picture is there under another species as well.
    group : int64 (N,)
        The lowest photo_id of the same picture under any species; its own where there is no other.
    """

    duplicate_of: NDArray[np.int64]
    two_labels: NDArray[np.bool_]
    group: NDArray[np.int64]


def find(
    rows: pa.Table,
    hashes: NDArray[np.uint64],
    embeddings: NDArray[Any],
    settings: DuplicateSettings,
    is_poor: NDArray[np.bool_] | None = None,
) -> Duplicates:
    """Find photos that are one picture.

    The result depends neither on the order of the rows nor on chance; the inputs are not changed.

    Parameters
    ----------
    rows
        Columns photo_id (each once), taxon_id, observer_id and sha256, N rows.
    hashes
        Perceptual hash of each photo, shape (N,).
    embeddings
        Features of each photo, of any length (they are scaled here), shape (N, F).
    settings
        What counts as alike; `max_bits` 0 finds files of equal content only.
    is_poor
        Photos that stay only where no other of the same picture and species can, shape (N,); None: none is.

    Raises
    ------
    CurationError
        Where the lengths do not fit.
    """
    if not rows.num_rows == len(hashes) == len(embeddings):
        raise CurationError(
            f"each photo needs a hash and an embedding. Received: {rows.num_rows} photos, {len(hashes)} hashes, "
            f"{len(embeddings)} embeddings"
        )
    ids, taxa, observers = (np.asarray(rows[name]) for name in ("photo_id", "taxon_id", "observer_id"))
    groups = _Groups(len(ids))
    groups.join(*_neighbours(_codes(rows["sha256"])))
    if settings.max_bits and len(ids) > 1:
        for candidates in (_within(taxa, hashes, settings), _within(observers, hashes, settings), _banded(hashes)):
            _confirm(candidates, groups, embeddings, settings)
    found = _outcome(ids, taxa, groups.roots(np.arange(len(ids))), np.zeros(len(ids)) if is_poor is None else is_poor)
    logger.info(
        "%d of %d photos are the same picture as another of their species, %d are there under two species",
        np.sum(found.duplicate_of != NONE),
        len(ids),
        found.two_labels.sum(),
    )
    return found


class _Groups:
    """Disjoint sets of rows."""

    def __init__(self, count: int) -> None:
        self._parent = np.arange(count)

    def roots(self, rows: _Rows) -> _Rows:
        """Return the row that stands for the set of each."""
        roots = self._parent[rows]
        while not np.array_equal(roots, above := self._parent[roots]):
            roots = above
        return roots

    def join(self, first: _Rows, second: _Rows) -> None:
        """Make one set of the sets of each pair."""
        for one, other in zip(first.tolist(), second.tolist(), strict=True):
            low, high = sorted((self._root(one), self._root(other)))
            self._parent[high] = low

    def _root(self, row: int) -> int:
        parent = self._parent
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = int(parent[row])
        return row


def _codes(values: pa.ChunkedArray) -> _Rows:
    return np.asarray(values.combine_chunks().dictionary_encode().indices).astype(np.int64)


def _neighbours(keys: _Rows) -> tuple[_Rows, _Rows]:
    """Return rows with equal keys as a chain of pairs."""
    order = np.argsort(keys, kind="stable")
    is_equal = keys[order[1:]] == keys[order[:-1]]
    return order[:-1][is_equal], order[1:][is_equal]


def _meeting(left: _Rows, right: _Rows) -> Iterator[tuple[_Rows, _Rows]]:
    """Yield, for every key that is in both, its rows in the one and in the other, unless that is one row alone."""
    order, others = np.argsort(left, kind="stable"), np.argsort(right, kind="stable")
    left, right = left[order], right[others]
    keys = np.intersect1d(left, right)
    for (start, end), (low, high) in zip(_bounds(left, keys), _bounds(right, keys), strict=True):
        if end - start > 1 or high - low > 1 or order[start] != others[low]:
            yield order[start:end], others[low:high]


def _bounds(ascending: _Rows, keys: _Rows) -> Iterator[tuple[int, int]]:
    starts, ends = np.searchsorted(ascending, keys, "left"), np.searchsorted(ascending, keys, "right")
    return zip(starts.tolist(), ends.tolist(), strict=True)


def _within(keys: _Rows, hashes: NDArray[np.uint64], settings: DuplicateSettings) -> Iterator[_Pairs]:
    """Yield the pairs with the same key, of not too many photos, and similar hashes, with the bits that differ."""
    turned = mirrored(hashes)
    for rows, same in _meeting(keys, keys):
        for other in (hashes, turned) if len(rows) <= _MANY else ():
            yield from _similar(rows, same, hashes, other, settings.max_bits)


def _banded(hashes: NDArray[np.uint64]) -> Iterator[_Pairs]:
    """Yield the pairs that differ in at most _FEW_BITS bits, as they are or mirrored; most of them several times."""
    turned = mirrored(hashes)
    for band in range(_FEW_BITS + 1):
        for other in (hashes, turned):
            for rows, same in _meeting(_keys(hashes, band), _keys(other, band)):
                yield from _similar(rows, same, hashes, other, _FEW_BITS)


def _keys(hashes: NDArray[np.uint64], band: int) -> _Rows:
    """Return one band of bits of each hash as a number: every eighth bit, so that each has low and high frequencies."""
    bits = np.unpackbits(hashes.astype(">u8").view(np.uint8).reshape(-1, BITS // 8), axis=1)[:, band :: _FEW_BITS + 1]
    return bits @ (1 << np.arange(bits.shape[1]))


def _similar(
    left: _Rows, right: _Rows, hashes: NDArray[np.uint64], others: NDArray[np.uint64], most: int
) -> Iterator[_Pairs]:
    """Yield the pairs of a row of `left` and a higher one of `right` whose hash and other hash are similar.

    Both are ascending.
    """
    step = max(1, _COMPARED // len(right))
    for start in range(0, len(left), step):
        some = left[start : start + step]
        later = right[np.searchsorted(right, some[0]) :]
        bits = distances(hashes[some][:, None], others[later][None, :]).ravel()
        near = np.flatnonzero(bits <= most)
        if len(near):
            one, other = some[near // len(later)], later[near % len(later)]
            is_new = one < other
            yield one[is_new], other[is_new], bits[near[is_new]]


def _confirm(
    candidates: Iterator[_Pairs], groups: _Groups, embeddings: NDArray[Any], settings: DuplicateSettings
) -> None:
    """Join the candidates whose embeddings are as alike as their hashes ask for."""
    for first, second, bits in _batches(candidates):
        is_open = groups.roots(first) != groups.roots(second)
        first, second, bits = first[is_open], second[is_open], bits[is_open]
        allowed = settings.max_distance * (1 - bits / settings.max_bits) + _ROUNDING
        is_same = _distance(embeddings[first], embeddings[second]) <= allowed
        groups.join(first[is_same], second[is_same])


def _batches(candidates: Iterator[_Pairs]) -> Iterator[_Pairs]:
    """Yield the same pairs, about _CONFIRMED at a time."""
    waiting: list[_Pairs] = []
    for first, second, bits in candidates:
        for start in range(0, len(first), _CONFIRMED):
            piece = slice(start, start + _CONFIRMED)
            waiting.append((first[piece], second[piece], bits[piece]))
            if sum(len(part) for part, _, _ in waiting) >= _CONFIRMED:
                yield _joined(waiting)
                waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(parts: list[_Pairs]) -> _Pairs:
    first, second, bits = (np.concatenate(column) for column in zip(*parts, strict=True))
    return first, second, bits


def _distance(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Return the distance between the directions of each pair of embeddings: 0 to 2; inf where one has none."""
    first, second = unit(first), unit(second)
    # Not by the cosine: near 1 its last digit is worth 0.0003 of distance.
    apart = np.linalg.norm(first - second, axis=1).astype(np.float64)
    return np.where(first.any(axis=1) & second.any(axis=1), apart, np.inf)


def _outcome(ids: _Rows, taxa: NDArray[np.int64], roots: _Rows, is_poor: NDArray[Any]) -> Duplicates:
    order = np.lexsort((ids, is_poor, taxa, roots))
    is_first_of_group = np.diff(roots[order], prepend=-1) != 0
    is_first_of_label = is_first_of_group | (np.diff(taxa[order], prepend=NONE) != 0)
    stays = np.empty_like(ids)
    stays[order] = ids[order][is_first_of_label][np.cumsum(is_first_of_label) - 1]
    labels = np.bincount(roots[order[is_first_of_label]], minlength=len(ids))
    lowest = np.full(len(ids), np.iinfo(np.int64).max)
    np.minimum.at(lowest, roots, ids)
    return Duplicates(
        duplicate_of=np.where(stays == ids, NONE, stays),
        two_labels=labels[roots] > 1,
        group=lowest[roots],
    )
