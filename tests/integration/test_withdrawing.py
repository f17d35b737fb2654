"""Photos that a load missed leave the store at the end of a build; a load that missed too many deletes none."""

from __future__ import annotations

from pathlib import Path

import pytest
from loads import fetched, load_small
from small_bucket import ordinary
from sqlalchemy import Engine

from mushroom_tasks import stages
from mushroom_tasks.errors import TableError
from mushroom_tasks.photos.store import photo_path
from mushroom_tasks.settings import Settings, load_settings
from mushroom_tasks.storage import Store


@pytest.fixture
def settings(tmp_path: Path, database: str, engine: Engine) -> Settings:
    """Two loads; the second one misses photo 1, of which the store has two sizes."""
    settings = load_settings({"home": tmp_path / "home", "database_url": database})
    store = Store(settings.store)
    later = ordinary()
    later.photos = [row for row in later.photos if row[1] != 1]
    for bucket in (ordinary(), later):
        load_small(engine, store, fetched(bucket, store, tmp_path / "bucket"))
    for path in (photo_path("medium", 1, "jpg"), photo_path("large", 1, "jpg"), photo_path("medium", 2, "jpg")):
        store.write_bytes(path, b"photo")
    return settings


def _stored(settings: Settings) -> list[str]:
    return sorted(path.name for path in Path(settings.store, "photos").rglob("*.jpg"))


def _allowing(settings: Settings, ratio: float) -> Settings:
    return settings.model_copy(update={"ingest": settings.ingest.model_copy(update={"max_withdrawn_ratio": ratio})})


def test_withdraw__deletes_every_size_of_what_the_last_load_missed_once(settings: Settings) -> None:
    allowing = _allowing(settings, 1.0)

    assert stages.withdraw(allowing).model_dump() == {"withdrawn": 1, "deleted": 2}
    assert _stored(settings) == ["2.jpg"]
    assert stages.withdraw(allowing).model_dump() == {"withdrawn": 1, "deleted": 0}


def test_withdraw__a_dry_run_deletes_nothing(settings: Settings) -> None:
    assert stages.withdraw(_allowing(settings, 1.0), dry_run=True).model_dump() == {"withdrawn": 1, "deleted": 0}
    assert len(_stored(settings)) == 3


def test_withdraw__deletes_nothing_where_the_last_load_missed_too_many(settings: Settings) -> None:
    with pytest.raises(TableError, match=r"missed 1 of the \d+ photos .*max_withdrawn_ratio.*mushroom rollback"):
        stages.withdraw(_allowing(settings, 0.0))
    assert len(_stored(settings)) == 3


def test_withdraw__a_photo_that_a_rollback_brings_back_stays(settings: Settings) -> None:
    stages.rollback(settings)

    assert stages.withdraw(settings).model_dump() == {"withdrawn": 0, "deleted": 0}
    assert len(_stored(settings)) == 3
