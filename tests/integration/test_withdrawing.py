"""Photos that a load missed leave the store at the end of a build, unless the load itself is to be doubted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from loads import fetched, load_small
from pruned_photos import pruned_photo, pruned_table
from small_bucket import SPECIES, SmallBucket, ordinary
from sqlalchemy import Engine

from mushroom_tasks import stages
from mushroom_tasks.curation.dataset.publish import publish
from mushroom_tasks.inat.refresh.history import withdrawn
from mushroom_tasks.photos.store import photo_path
from mushroom_tasks.settings import Settings, load_settings
from mushroom_tasks.stages.choices import choices
from mushroom_tasks.stages.publishing import INATURALIST
from mushroom_tasks.storage import Store


@pytest.fixture
def settings(tmp_path: Path, database: str, engine: Engine) -> Settings:
    """Two loads; the second one misses photo 1, of which the store has two sizes."""
    settings = load_settings({"home": tmp_path / "home", "database_url": database})
    store = Store(settings.store)
    for bucket in (ordinary(), _without(1)):
        load_small(engine, store, fetched(bucket, store, tmp_path / "bucket"))
    for path in (photo_path("medium", 1, "jpg"), photo_path("large", 1, "jpg"), photo_path("medium", 2, "jpg")):
        store.write_bytes(path, b"photo")
    return settings


def _stored(settings: Settings) -> list[str]:
    return sorted(path.name for path in Path(settings.store, "photos").rglob("*.jpg"))


def _without(*photo_ids: int) -> SmallBucket:
    bucket = ordinary()
    bucket.photos = [row for row in bucket.photos if row[1] not in photo_ids]
    return bucket


def _withdrawn(engine: Engine) -> list[int]:
    return withdrawn(engine)["photo_id"].to_pylist()


def test_withdraw__deletes_every_size_of_what_the_last_load_missed_once(settings: Settings) -> None:
    assert stages.withdraw(settings).model_dump() == {"withdrawn": 1, "deleted": 2}
    assert _stored(settings) == ["2.jpg"]
    assert stages.withdraw(settings).model_dump() == {"withdrawn": 1, "deleted": 0}


def test_withdraw__a_dry_run_deletes_nothing(settings: Settings) -> None:
    assert stages.withdraw(settings, dry_run=True).model_dump() == {"withdrawn": 1, "deleted": 0}
    assert len(_stored(settings)) == 3


def test_withdraw__photos_of_the_newest_data_set_stay_until_there_is_one_without_them(settings: Settings) -> None:
    store = Store(settings.store)
    inputs = {"origin": INATURALIST, "selection": "s", "downloads": "d", "pruned": "p"}
    content = {"inputs": inputs, "settings": choices(settings), "failures": {}, "species": [], "decided_by": {}}

    publish(pruned_table(pruned_photo(1), pruned_photo(2)), store, "first", **content)
    assert stages.withdraw(settings).model_dump() == {"withdrawn": 1, "deleted": 0}
    publish(pruned_table(pruned_photo(2)), store, "second", clock=lambda: datetime(2100, 1, 1, tzinfo=UTC), **content)
    assert stages.withdraw(settings).model_dump() == {"withdrawn": 1, "deleted": 2}


def test_withdraw__a_load_that_misses_too_many_withdraws_none(
    settings: Settings, engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(settings.store)
    damaged = fetched(_without(1, 2, 3, 4, 5), store, tmp_path / "bucket")
    load_small(engine, store, damaged)

    (warning,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "none of the 4 photos that this load misses counts as withdrawn: the load before had 32" in warning
    assert "more than ingest.max_withdrawn_ratio = 0.1" in warning
    assert _withdrawn(engine) == [1]  # of the load before
    stages.withdraw(settings)
    assert _stored(settings) == ["2.jpg"]

    stages.rollback(settings)
    load_small(engine, store, damaged, max_withdrawn_ratio=0.2)
    assert _withdrawn(engine) == [1, 2, 3, 4, 5]


def test_withdraw__a_load_of_an_older_snapshot_withdraws_none(
    settings: Settings, engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(settings.store)
    newest = _without(1, 2)
    newest.observe(500, SPECIES[0], 9, [500])
    load_small(engine, store, fetched(newest, store, tmp_path / "bucket"))
    assert _withdrawn(engine) == [1, 2]

    load_small(engine, store, fetched(_without(1), store, tmp_path / "bucket"))

    (warning,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "the snapshot is older than the one before it" in warning
    assert "its newest photo is 33, and that one's is 500" in warning
    assert _withdrawn(engine) == [1]  # photo 2 is back, photo 500 is not doubted
    stages.withdraw(settings)
    assert _stored(settings) == ["2.jpg"]


def test_withdraw__a_photo_that_a_rollback_brings_back_stays(settings: Settings) -> None:
    stages.rollback(settings)

    assert stages.withdraw(settings).model_dump() == {"withdrawn": 0, "deleted": 0}
    assert len(_stored(settings)) == 3
