"""### Build a data set: select, download, embed, prune, publish

Runs after every load of `inat_ingest`, or by hand with other numbers. Photos and embeddings of earlier data sets are
reused, and a photo never changes its split. Pruning flags photos and deletes none.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task
from wiring import DATASET, DEFAULT_ARGS, GPU, OBSERVATIONS, START, TAGS, call, form


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
    params=form(
        "selection.species_count",
        "selection.photos_per_species",
        "selection.min_photos_per_species",
        "selection.max_photos_per_observation",
        "selection.max_photos_per_observer",
        "selection.quality_grades",
        "selection.licenses",
        "selection.validation_share",
        "selection.test_share",
        "selection.seed",
        "download.size",
        "download.connections",
        "download.max_failed_ratio",
        "pruning.eps",
        "pruning.min_samples",
        "pruning.max_pruned_share",
    ),
    tags=[*TAGS, "data"],
)
def dataset_build() -> None:
    @task(doc_md="Chooses photos by SQL and splits them by observer; returns one part per shard of the download.")
    def select(params: dict[str, Any]) -> list:
        selected = call("select", params)
        return [{**selected, "shard": shard} for shard in selected["shards"]]

    @task(map_index_template="{{ task.op_kwargs['part']['shard'] }}", doc_md="Fetches one shard's photos; resumes.")
    def download(params: dict[str, Any], part: dict) -> dict:
        return call("download_shard", params, part["fingerprint"], part["shard"], len(part["shards"]))

    @task(doc_md="Joins the shards; fails where too many photos failed. Returns one part per shard of the embedding.")
    def collect(params: dict[str, Any], parts: list) -> list:
        collected = call("collect_downloads", params, parts[0]["fingerprint"], len(parts))
        return [{**collected, "shard": shard} for shard in collected["shards"]]

    @task(
        map_index_template="{{ task.op_kwargs['part']['shard'] }}",
        doc_md="One pass of the pretrained backbone; photos seen before are reused.",
        **GPU,
    )
    def embed(params: dict[str, Any], part: dict) -> dict:
        return call("embed_shard", params, part["fingerprint"], part["shard"], len(part["shards"]))

    @task(doc_md="DBSCAN per class: noise and stray clusters are flagged.")
    def prune(params: dict[str, Any], parts: list) -> dict:
        return call("prune", params, parts[0]["fingerprint"])

    @task(outlets=[DATASET], doc_md="Manifest, attribution, card; logged to MLflow.")
    def publish(params: dict[str, Any], pruned: dict, outlet_events: Any) -> dict:
        published = call("publish", params, pruned["fingerprint"])
        outlet_events[DATASET].extra = {"fingerprint": published["fingerprint"]}
        return published

    selected = select()
    collected = collect(parts=selected)
    pruned = prune(parts=collected)
    download.expand(part=selected) >> collected
    embed.expand(part=collected) >> pruned
    publish(pruned=pruned)


dataset_build()
