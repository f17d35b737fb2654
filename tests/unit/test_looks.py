"""Looks: what one decode tells of a photo, kept per photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from inputs.retouching import recompressed
from pictures import plain, scenery

from mushroom_tasks.errors import CurationError
from mushroom_tasks.perceptual_hash import distances
from mushroom_tasks.photos.looks import LOOKS, LookStore, look, looks_table
from mushroom_tasks.photos.quality import Quality
from mushroom_tasks.storage import Store


def rows(ids: list[int]) -> pa.Table:
    return pa.table({"photo_id": pa.array(ids, pa.int64()), "sha256": [f"a{i}" for i in ids]})


def test_look__of_a_recompressed_photo_is_nearly_the_same() -> None:
    first, second = look(scenery(1)), look(recompressed(scenery(1), 70))

    assert first.quality.sharpness == pytest.approx(second.quality.sharpness, rel=0.1)
    assert distances(np.array([first.hash], np.uint64), np.array([second.hash], np.uint64))[0] <= 2


def test_read__follows_the_order_of_the_rows(tmp_path: Path) -> None:
    looks = LookStore(Store(tmp_path))
    ids = list(range(1, 131))
    seen = [look(scenery(seed, (60, 50))) for seed in range(5)]
    looks.add(looks_table(rows(ids), [seen[i % 5] for i in ids]))

    wanted = [128, 3, 64, 1]
    found = looks.read(rows(wanted))
    assert found.schema.names == [*Quality._fields, "hash"]
    assert found["hash"].to_pylist() == [seen[i % 5].hash for i in wanted]
    for position, name in enumerate(Quality._fields):
        expected = [seen[i % 5].quality[position] for i in wanted]
        np.testing.assert_allclose(found[name].to_numpy(), expected, rtol=1e-6)


def test_read__keeps_every_bit_of_a_hash(tmp_path: Path) -> None:
    looks = LookStore(Store(tmp_path))
    seen = look(plain(100))._replace(hash=2**64 - 1)
    looks.add(looks_table(rows([1]), [seen]))

    assert looks.read(rows([1]))["hash"].to_numpy().tolist() == [2**64 - 1]


def test_read__names_a_photo_that_was_not_looked_at(tmp_path: Path) -> None:
    looks = LookStore(Store(tmp_path))
    assert looks.missing(rows([1, 2])).num_rows == 2
    with pytest.raises(CurationError, match="Run embed first"):
        looks.read(rows([1]))


def test_looks_table__of_no_photos_is_empty(tmp_path: Path) -> None:
    assert looks_table(rows([]), []).schema.equals(LOOKS)
    assert LookStore(Store(tmp_path)).read(rows([])).num_rows == 0
