"""The prior of season and place of a data set: counted by a real PostgreSQL, weighed on photos."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from loaded_rows import Rows
from sqlalchemy import Engine, create_engine

from mushroom_tasks.curation.dataset.publish import DatasetCounts, PublishedDataset
from mushroom_tasks.manifests import PRUNED
from mushroom_tasks.mobile.prior import Moment
from mushroom_tasks.settings import Settings, load_settings
from mushroom_tasks.stages.choices import choices
from mushroom_tasks.stages.publishing import INATURALIST
from mushroom_tasks.stages.season_prior import PRIOR_COLUMNS, Judged, season_prior

SPECIES: list[dict[str, Any]] = [{"taxon_id": 21}, {"taxon_id": 41}]
DENMARK, SPAIN = (55.7, 12.5), (40.4, -3.7)


@pytest.fixture
def settings(tmp_path: Path, database: str) -> Settings:
    return load_settings({"home": tmp_path, "database_url": database})


@pytest.fixture
def observed(database: str) -> Engine:
    """The first species in Denmark, the second in Spain, by many observers."""
    rows = Rows()
    for observer in range(1, 61):
        rows.observe(21, [observer], observer_id=observer, latitude=DENMARK[0], longitude=DENMARK[1])
        rows.observe(41, [100 + observer], observer_id=observer, latitude=SPAIN[0], longitude=SPAIN[1])
    return rows.write(create_engine(database))


def _published(settings: Settings, origin: str = INATURALIST) -> PublishedDataset:
    counts = DatasetCounts(species=2, photos=8, kept=8, pruned=0, train=0, validation=4, test=4)
    return PublishedDataset(
        fingerprint="ab", folder="", created="", counts=counts, pruned_by_reason={}, failures={},
        inputs={"origin": origin}, settings=choices(settings),
    )  # fmt: skip


def _places() -> pa.Table:
    """Photos 1 to 8; odd ones are from Denmark, even ones from Spain, and nobody knows where the last one is from."""
    rows = [
        {"photo_id": i, "latitude": place[0], "longitude": place[1], "observed_on": date(2025, 9, 1)}
        for i, place in enumerate((DENMARK, SPAIN) * 4, start=1)
    ]
    rows[-1] |= {"latitude": None, "longitude": None, "observed_on": None}
    return pa.Table.from_pylist(rows, pa.schema([PRUNED.field(name) for name in PRIOR_COLUMNS]))


def _judged(first: int) -> Judged:
    photo_ids = np.arange(first, first + 4)
    return Judged(photo_ids, np.full((4, 2), 0.5), (photo_ids + 1) % 2)


def test_season_prior__is_counted_weighed_and_judged(settings: Settings, observed: Engine) -> None:
    found = season_prior(settings, _published(settings), SPECIES, _places(), _judged(1), _judged(5))
    assert found is not None
    prior, facts = found
    assert prior.log_ratio(Moment(*DENMARK)) @ np.array([1, -1]) > 1
    assert (facts.snapshot, facts.weight, prior.weight) == ("first", 1.5, 1.5)
    assert (facts.photos, facts.top1_with) == (3, 1.0)
    assert facts.log_loss_with is not None
    assert facts.log_loss_without is not None
    assert facts.log_loss_with < facts.log_loss_without
    assert 0 < facts.observations < 120  # those of the validation and test splits' observers are left out


def test_season_prior__there_is_none_for_other_origins(settings: Settings, observed: Engine) -> None:
    published = _published(settings, origin="folder herbarium")
    assert season_prior(settings, published, SPECIES, _places(), _judged(1), _judged(5)) is None


def test_season_prior__there_is_none_without_observations(settings: Settings, observed: Engine) -> None:
    species = [{"taxon_id": 42}, {"taxon_id": 31}]
    assert season_prior(settings, _published(settings), species, _places(), _judged(1), _judged(5)) is None


def test_season_prior__of_photos_without_places_weighs_nothing(settings: Settings, observed: Engine) -> None:
    places = _places().slice(0, 0)
    found = season_prior(settings, _published(settings), SPECIES, places, _judged(1), _judged(5))
    assert found is not None
    assert (found[1].weight, found[1].photos, found[1].top1_with) == (0.0, 0, None)
