"""### Notice a new snapshot of iNaturalist's open data and load it into PostgreSQL

iNaturalist publishes a snapshot a month, on no fixed day. This looks every day: a few requests and some seconds, and no
worker waits in between. Where the source holds nothing new, the run ends at once, as skipped; otherwise the snapshot is
fetched, checked and swapped in, and the asset `observations` sets off `dataset_build`.

The source's address is a setting of the deployment (`MUSHROOM_SOURCE`), never of this form.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task
from wiring import DEFAULT_ARGS, OBSERVATIONS, TAGS, call, form


@task(doc_md="Compares the source's files with the last load; fetches them when they differ.")
def snapshot(params: dict[str, Any]) -> dict:
    return call("snapshot", params, params["again"])


@task.short_circuit(doc_md="Ends the run, as skipped, where the source holds nothing new.")
def is_new(found: dict) -> bool:
    return bool(found["is_new"])


@task(outlets=[OBSERVATIONS], doc_md="Streams the tables into PostgreSQL: staging, checks, swap.")
def ingest(params: dict[str, Any], found: dict) -> dict:
    return call("ingest", params, found)


@dag(
    dag_id="inat_ingest",
    dag_display_name="1 · inat_ingest",
    description="iNaturalist's metadata into PostgreSQL",
    doc_md=__doc__,
    schedule="0 5 * * *",
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params={
        "again": Param(
            False,
            type="boolean",
            title="Again",
            description="Also load a snapshot that was rolled back.",
            section="General",
        ),
        **form(
            "root_taxa",
            "source_access.snapshot",
            "source_access.keep_snapshots",
            "ingest.max_malformed_ratio",
            "ingest.min_rows_ratio",
            "ingest.min_kept_ratio",
            "ingest.max_orphan_ratio",
            "ingest.max_withdrawn_ratio",
        ),
    },
    tags=[*TAGS, "data"],
)
def inat_ingest() -> None:
    found = snapshot()
    is_new(found) >> ingest(found=found)


inat_ingest()
