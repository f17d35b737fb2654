"""The stage of the DAG `dataset_build` that puts photos before people.

queued = queue_review(settings, pruned.fingerprint)
queued.waiting
"""

from __future__ import annotations

from mushroom_tasks import manifests
from mushroom_tasks.curation import review
from mushroom_tasks.curation.review.filling import COLUMNS
from mushroom_tasks.db.engine import migrate, open_engine
from mushroom_tasks.settings import Settings, flat
from mushroom_tasks.stages.choices import choices
from mushroom_tasks.stages.publishing import INATURALIST
from mushroom_tasks.stages.results import ReviewResult
from mushroom_tasks.storage import Store


def queue_review(settings: Settings, pruned: str, origin: str = INATURALIST) -> ReviewResult:
    """Put the photos of a pruned manifest on the page where people decide.

    Decisions that were made before, on whatever set, are in force on it from the start. A manifest that is there
    already moves to the top.
    """
    engine = open_engine(settings)
    migrate(engine)
    rows = manifests.read_manifest(Store(settings.store), f"pruned/{pruned}.parquet", manifests.PRUNED, COLUMNS)
    is_new = review.queue(
        engine,
        pruned,
        rows,
        origin=origin,
        conf=flat(choices(settings)) if origin == INATURALIST else None,
        keep_sets=settings.review.keep_sets,
    )
    queued = review.find_set(engine, pruned)
    return ReviewResult(
        fingerprint=pruned,
        is_new=is_new,
        photos=queued.photos,
        pruned=queued.pruned,
        doubtful=queued.doubtful,
        waiting=queued.waiting,
        decided=queued.decided,
    )
