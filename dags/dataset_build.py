"""### Build a data set: select, download, embed, prune, review, publish

Runs after every load of `inat_ingest`, or by hand with other numbers. Photos and embeddings of earlier data sets are
reused, and a photo never changes its split. Pruning flags photos and deletes none; what people decide on the page
*Mushroom review* stands above it. Where the selection is that of the newest data set, and nobody has decided anything
since, the run ends, as skipped. Photos that iNaturalist no longer publishes are deleted from the store.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param, dag, task
from links import MlflowLink, ReportLink
from wiring import DATASET, DEFAULT_ARGS, GPU, OBSERVATIONS, START, TAGS, call, form

_FORM = (
    "selection.species_count",
    "selection.species",
    "selection.exclude",
    "selection.photos_per_species",
    "selection.min_photos_per_species",
    "selection.max_photos_per_observation",
    "selection.max_photos_per_observer",
    "selection.quality_grades",
    "selection.licenses",
    "selection.observed_from",
    "selection.observed_to",
    "selection.bounding_box",
    "selection.countries",
    "selection.min_anomaly_score",
    "selection.validation_share",
    "selection.test_share",
    "selection.seed",
    "download.size",
    "download.small_side",
    "download.connections",
    "download.max_rate",
    "download.max_failed_ratio",
    "pruning.eps",
    "pruning.min_samples",
    "pruning.min_class_size",
    "pruning.max_pruned_share",
    "pruning.min_kept",
    "labels.min_odds",
    "labels.prune_suspects",
    "quality.min_side",
    "quality.max_text_share",
    "quality.min_sharpness",
    "duplicates.max_bits",
    "review.wait_for_approval",
)


@task(doc_md="Chooses photos by SQL and splits them by observer; returns one part per shard of the download.")
def select(params: dict[str, Any]) -> list:
    selected = call("select", params)
    return [{**selected, "shard": shard} for shard in selected["shards"]]


@task.short_circuit(
    ignore_downstream_trigger_rules=False,
    doc_md="Ends the run, as skipped, in a dry run and where neither the selection nor people's decisions are new.",
)
def is_new(params: dict[str, Any], parts: list) -> bool:
    return bool(call("plan_dataset", params, parts[0], params["dry_run"], params["again"])["is_new"])


@task(map_index_template="{{ task.op_kwargs['part']['shard'] }}", doc_md="Fetches one shard's photos; resumes.")
def download(params: dict[str, Any], part: dict) -> dict:
    return call("download_shard", params, part["fingerprint"], part["shard"], len(part["shards"]))


@task(doc_md="Joins the shards; fails where too many photos failed. Returns one part per shard of the embedding.")
def collect(params: dict[str, Any], parts: list) -> list:
    collected = call("collect_downloads", params, parts[0]["fingerprint"], len(parts))
    return [{**collected, "shard": shard} for shard in collected["shards"]]


@task(
    map_index_template="{{ task.op_kwargs['part']['shard'] }}",
    doc_md="One pass of the pretrained backbone, quality and perceptual hash; photos seen before are reused.",
    **GPU,
)
def embed(params: dict[str, Any], part: dict) -> dict:
    return call("embed_shard", params, part["fingerprint"], part["shard"], len(part["shards"]))


@task(doc_md="Outliers, duplicates, poor photos and suspected labels are flagged with a reason; none is deleted.")
def prune(params: dict[str, Any], parts: list) -> dict:
    return call("prune", params, parts[0]["fingerprint"])


@task(doc_md="A page with curves, contact sheets and a map: in MLflow, and linked from here.")
def report(params: dict[str, Any], pruned: dict) -> dict:
    return call("report", params, pruned["fingerprint"])


@task(doc_md="Puts the photos on the page where people decide.")
def queue_review(params: dict[str, Any], pruned: dict) -> dict:
    return call("queue_review", params, pruned["fingerprint"])


@task.short_circuit(
    ignore_downstream_trigger_rules=False,
    doc_md="Skips the approval unless the run asks for one.",
)
def is_to_be_approved(params: dict[str, Any], queued: dict) -> bool:
    return bool(params["review.wait_for_approval"] and queued)


@task(
    outlets=[DATASET],
    trigger_rule="none_failed_min_one_success",  # runs where the approval was skipped, but not where all was
    doc_md="Manifest, attribution, card, as people decided; logged to MLflow.",
)
def publish(params: dict[str, Any], pruned: dict, outlet_events: Any) -> dict:
    published = call("publish", params, pruned["fingerprint"])
    outlet_events[DATASET].extra = {"fingerprint": published["fingerprint"]}
    return published


@task(trigger_rule="none_failed", doc_md="Deletes photos that iNaturalist no longer publishes from the store.")
def withdraw(params: dict[str, Any]) -> dict:
    return call("withdraw", params, params["dry_run"])


@dag(
    dag_id="dataset_build",
    dag_display_name="2 · dataset_build",
    description="N photos of M species, downloaded, pruned and published",
    doc_md=__doc__,
    schedule=[OBSERVATIONS],
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params={
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Only select, and show the table of species in the task's log and in MLflow; fetch nothing.",
            section="Selection",
        ),
        "again": Param(
            False,
            type="boolean",
            title="Again",
            description="Build even where nothing changed; photos that have gone from the store are fetched again.",
            section="Selection",
        ),
        **form(*_FORM),
    },
    tags=[*TAGS, "data"],
)
def dataset_build() -> None:
    selected = select()
    collected = collect(parts=selected)
    pruned = prune(parts=collected)
    is_new(parts=selected) >> download.expand(part=selected) >> collected
    embed.expand(part=collected) >> pruned
    reported = report(pruned=pruned)
    reported.operator.operator_extra_links = (ReportLink(), MlflowLink())
    approve = ApprovalOperator(
        task_id="approve",
        subject="Publish this data set?",
        body="The report is linked from the task `report`. What people decide on the page *Mushroom review* until this "
        "is approved goes into the data set.",
        # By then there is another month to publish. No answer is a refusal, and is not asked for again.
        response_timeout=timedelta(days=28),
        defaults="Reject",
        retries=0,
        doc_md="Waits for a person, in the menu under Required Actions; a refusal publishes nothing.",
    )
    # Whoever approves has the report; and it and the data set are one run in MLflow, which only one of them may make.
    reported >> is_to_be_approved(queued=queue_review(pruned=pruned)) >> approve
    approve >> publish(pruned=pruned) >> withdraw()


dataset_build()
