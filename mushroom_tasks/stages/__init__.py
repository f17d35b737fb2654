"""One function per task of the workflow: `(settings, inputs) -> a small result`.

The DAGs and the command line call the same functions. Each can be killed at any point and run again, and does
nothing where the fingerprint of its inputs and settings already has a result. Grouped as the three DAGs are:
`ingesting` (inat_ingest), `selecting`, `downloading` and
`dataset_building` (dataset_build), `model_training` and `releasing` (model_train).

    plan = stages.snapshot(settings)
    if plan.is_new:
        stages.ingest(settings, plan)
    selection = stages.select(settings)
"""

from mushroom_tasks.stages.artifacts import open_bundle
from mushroom_tasks.stages.dataset_building import embed_shard, is_made_with, prune, publish
from mushroom_tasks.stages.downloading import collect_downloads, download_shard
from mushroom_tasks.stages.ingesting import ingest, snapshot
from mushroom_tasks.stages.model_training import evaluate, plan_training, preflight, train
from mushroom_tasks.stages.releasing import export, register
from mushroom_tasks.stages.selecting import select
from mushroom_tasks.stages.whole import run_all

__all__ = [
    "collect_downloads",
    "download_shard",
    "embed_shard",
    "evaluate",
    "export",
    "ingest",
    "is_made_with",
    "open_bundle",
    "plan_training",
    "preflight",
    "prune",
    "publish",
    "register",
    "run_all",
    "select",
    "snapshot",
    "train",
]
