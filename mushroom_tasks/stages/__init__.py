"""One function per task of the workflow: `(settings, inputs) -> a small result`.

The DAGs and the command line call the same functions. Each can be killed at any point and run again, and does
nothing where the fingerprint of its inputs and settings already has a result. Grouped as the three DAGs are:
`ingesting` (inat_ingest), `selecting`, `downloading`, `embedding`, `pruning`, `reporting`, `reviewing`,
`publishing` (dataset_build), `model_training` and `releasing` (model_train). `importing` makes the same manifests of
other sources.

    plan = stages.snapshot(settings)
    if plan.is_new:
        stages.ingest(settings, plan)
    selection = stages.select(settings)
"""

from mushroom_tasks.stages.artifacts import open_bundle
from mushroom_tasks.stages.downloading import collect_downloads, download_shard
from mushroom_tasks.stages.embedding import embed_shard
from mushroom_tasks.stages.importing import import_photos, quickstart, select_from_api
from mushroom_tasks.stages.ingesting import ingest, rollback, snapshot
from mushroom_tasks.stages.model_training import evaluate, plan_training, preflight, train
from mushroom_tasks.stages.pruning import prune
from mushroom_tasks.stages.publishing import is_made_with, plan_dataset, publish, withdraw
from mushroom_tasks.stages.releasing import export, register
from mushroom_tasks.stages.reporting import report
from mushroom_tasks.stages.reviewing import queue_review
from mushroom_tasks.stages.selecting import preview, select
from mushroom_tasks.stages.whole import finish, run_all, train_model

__all__ = [
    "collect_downloads",
    "download_shard",
    "embed_shard",
    "evaluate",
    "export",
    "finish",
    "import_photos",
    "ingest",
    "is_made_with",
    "open_bundle",
    "plan_dataset",
    "plan_training",
    "preflight",
    "preview",
    "prune",
    "publish",
    "queue_review",
    "quickstart",
    "register",
    "report",
    "rollback",
    "run_all",
    "select",
    "select_from_api",
    "snapshot",
    "train",
    "train_model",
    "withdraw",
]
