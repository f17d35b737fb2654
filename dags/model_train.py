"""### Train, evaluate, export and register a classifier

Runs after every published data set, or by hand with another recipe. Every run is one run in MLflow, with children
for the backbone and its phases. The alias `champion` moves only when the new model passes its gates. A model that is
registered already is not trained again: the run ends as skipped.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task
from wiring import DATASET, DEFAULT_ARGS, GPU, START, TAGS, call, form, recipe_form

from mushroom_tasks.learning.backbones.registry import names


@task(doc_md="Devices, their free memory, and which processes hold the rest: look here when memory runs out.", **GPU)
def preflight(params: dict[str, Any]) -> dict:
    return call("preflight", params)


@task(doc_md="Fingerprints of what is to be made.")
def plan(params: dict[str, Any], triggering_asset_events: Any) -> dict:
    events = [event for found in triggering_asset_events.values() for event in found]
    set_off_by = events[-1].extra.get("fingerprint", "") if events else ""
    return call("plan_training", params, params["dataset"] or set_off_by)


@task.short_circuit(doc_md="Ends the run, as skipped, where this model is registered already.")
def is_new(planned: dict) -> bool:
    return bool(planned["is_new"])


@task(doc_md="Phases from the head down; checkpoints, curves; resumes at the step of the last backup.", **GPU)
def train(params: dict[str, Any], planned: dict) -> dict:
    return call("train", params, planned)


@task(doc_md="Accuracy on held-out observers, per class, confusion.", **GPU)
def evaluate(params: dict[str, Any], planned: dict) -> dict:
    return call("evaluate", params, planned)


@task(doc_md="LiteRT variants, their parity with Keras, the bundle for the phone.")
def export(params: dict[str, Any], planned: dict) -> dict:
    return call("export", params, planned)


@task(doc_md="Gates, then the alias `champion` moves in MLflow's registry.")
def register(params: dict[str, Any], planned: dict) -> dict:
    return call("register", params, planned)


@dag(
    dag_id="model_train",
    dag_display_name="3 · model_train",
    description="From a data set to a LiteRT bundle for the phone",
    doc_md=__doc__,
    schedule=[DATASET],
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params={
        "dataset": Param(
            "",
            type="string",
            title="Data set",
            description="Fingerprint of the data set; empty: the one that set off this run, or the newest.",
            pattern="^([0-9a-f]{16})?$",
            section="Data set",
        ),
        **form(
            "training.recipe",
            "training.backbone",
            "training.seed",
            backbone=names(),
        ),
        **recipe_form(
            "training.batch_size",
            "training.balance",
            "training.logit_adjustment",
            "training.dropout",
            "training.label_smoothing",
            "training.mixup_alpha",
            "training.cutmix_alpha",
            "training.phases",
        ),
        **form(
            "export.precisions",
            "export.min_agreement",
            "registry.max_model_mb",
        ),
    },
    tags=[*TAGS, "model"],
)
def model_train() -> None:
    planned = plan()
    trained = train(planned=planned)
    preflight() >> planned
    is_new(planned) >> trained >> evaluate(planned=planned) >> export(planned=planned) >> register(planned=planned)


model_train()
