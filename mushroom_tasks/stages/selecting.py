"""First stage of the DAG `dataset_build`: N photos of M species, chosen by SQL."""

from __future__ import annotations

import logging

import pyarrow.compute as pc
from sqlalchemy import Engine

from mushroom_tasks import manifests
from mushroom_tasks.db.engine import open_engine
from mushroom_tasks.db.models import Snapshot
from mushroom_tasks.errors import DatabaseError, SelectionError
from mushroom_tasks.inat.lineage import lineages
from mushroom_tasks.inat.refresh.history import latest_load
from mushroom_tasks.inat.selecting.long_tail import plot_long_tail
from mushroom_tasks.inat.selecting.selection import Selection, choose
from mushroom_tasks.inat.selecting.species_counts import SPECIES_COUNTS, write_csv
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.artifacts import tracked_path
from mushroom_tasks.stages.experiments import BUILD
from mushroom_tasks.stages.results import SelectionResult
from mushroom_tasks.stages.shards import download_shards
from mushroom_tasks.stages.species_table import as_text, species_table
from mushroom_tasks.storage import Store, fingerprint
from mushroom_tasks.tracking import open_tracker

logger = logging.getLogger(__name__)

_LOGGED_SPECIES = 40
_REPORTS = ("counts.parquet", "counts.csv", "counts.png")


def select(settings: Settings) -> SelectionResult:
    """Select N photos of M species from PostgreSQL, write the selection manifest, and report it to log and MLflow.

    The fingerprint is that of the selection's content and settings: another snapshot without a change among the
    selected photos gives the same selection. What was asked before of the same snapshot is not queried again.
    Beside the manifest lie the species' lineages, and the counts of all species as Parquet, CSV and plot.
    """
    engine = open_engine(settings)
    latest = _loaded(engine)
    store = Store(settings.store)
    request = _request_path(latest, settings)
    key = _answered(store, request)
    if key is None:
        key = _make(engine, store, latest, settings)
        store.write_json(request, {"selection": key})
    _report(settings, store, key)
    rows = manifests.read_manifest(store, _path(key), manifests.SELECTION, ["photo_id", "taxon_id"])
    return SelectionResult(
        fingerprint=key,
        address=store.address(_path(key)),
        species=pc.count_distinct(rows["taxon_id"]).as_py(),
        photos=rows.num_rows,
        shards=download_shards(settings, rows.num_rows),
    )


def preview(settings: Settings) -> Selection:
    """Return what `select` would select, with the counts per species; nothing is written."""
    engine = open_engine(settings)
    latest = _loaded(engine)
    return choose(engine, tuple(latest.root_taxa), settings.selection)


def _loaded(engine: Engine) -> Snapshot:
    latest = latest_load(engine)
    if latest is None:
        raise SelectionError("no snapshot is loaded. Run the DAG inat_ingest (or `mushroom stage ingest`) first.")
    return latest


def _request_path(latest: Snapshot, settings: Settings) -> str:
    key = fingerprint(
        "selection-request",
        version=1,
        snapshot=latest.fingerprint,
        root_taxa=latest.root_taxa,
        settings=settings.selection,
    )
    return f"selections/requests/{key}.json"


def _answered(store: Store, request: str) -> str | None:
    """Return the selection that this request gave before, where it is still there."""
    if not store.exists(request):
        return None
    key = str(store.read_json(request)["selection"])
    return key if manifests.manifest_fingerprint(store, _path(key)) == key else None


def _make(engine: Engine, store: Store, latest: Snapshot, settings: Settings) -> str:
    selection = choose(engine, tuple(latest.root_taxa), settings.selection)
    key = fingerprint(
        "selection",
        version=3,
        content=manifests.content_hash(selection.photos, manifests.SELECTION.names),
        root_taxa=latest.root_taxa,
        settings=settings.selection,
    )
    species = lineages(engine, set(selection.photos["taxon_id"].to_pylist()))
    _require_unchanged(engine, latest)
    store.write_json(f"selections/{key}.species.json", species)
    manifests.write_manifest(store, _reported(key, "counts.parquet"), selection.species, SPECIES_COUNTS, key)
    with store.open_atomic(_reported(key, "counts.csv")) as file:
        write_csv(selection.species, file)
    with store.open_atomic(_reported(key, "counts.png")) as file:
        plot_long_tail(selection.species, settings.selection, file)
    # Last, as it is what says that this stage is done.
    if manifests.manifest_fingerprint(store, _path(key)) != key:
        manifests.write_manifest(store, _path(key), selection.photos, manifests.SELECTION, key)
    return key


def _report(settings: Settings, store: Store, key: str) -> None:
    """Log the counts per species to the task's log, and once to MLflow."""
    species = manifests.read_manifest(store, _reported(key, "counts.parquet"), SPECIES_COUNTS)
    shown = as_text(species_table(species, most=_LOGGED_SPECIES))
    logger.info("photos per species (all: %s)\n%s", store.address(_reported(key, "counts.csv")), shown)
    marker = tracked_path(settings, "selections", key)
    if store.exists(marker):
        return
    run = open_tracker(settings).run(BUILD, key=f"selection:{key}", name=f"selection {key}", tags={"selection": key})
    counts = {name: pc.sum(species[name]).as_py() for name in ("photos", "available", "selected")}
    taken = species.filter(pc.greater(species["selected"], 0))
    run.log_params({"selection": settings.selection.model_dump(mode="json")})
    run.log_metrics({f"selection/{name}": count for name, count in counts.items()})
    run.log_metrics({"selection/species": taken.num_rows, "selection/species_with_photos": species.num_rows})
    for name in _REPORTS:
        run.log_artifact(store.local(_reported(key, name), settings.cache), "selection")
    run.finish()
    store.write_json(marker, counts)


def _path(key: str) -> str:
    return f"selections/{key}.parquet"


def _reported(key: str, name: str) -> str:
    return f"selections/{key}.{name}"


def _require_unchanged(engine: Engine, latest: Snapshot) -> None:
    """Raise where another snapshot was loaded while a selection was made of this one: its rows may be mixed."""
    now = latest_load(engine)
    if now is None or now.id != latest.id:
        raise DatabaseError(
            f"another snapshot was loaded while photos of {latest.fingerprint} were selected. Run this again."
        )
