"""What a load leaves for people: the report of its changes in the store and in MLflow, and the note of its end.

    loads/<key>/changes.html       for reading: totals, picture, species, moves
                changes.png        the picture alone
                changes.parquet    counts per species, all of them (see `inat.refresh.changes.SPECIES_CHANGES`)
                load.json          written last: the stage has come to its end

The key names the snapshot, the root taxa, and the snapshot that it is compared with. Everything is made of the rows
that the load wrote in its own transaction, so a stage that is killed after it writes the same report when run again.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC
from pathlib import Path

from sqlalchemy import Engine

from mushroom_tasks import manifests
from mushroom_tasks.db.models import Snapshot
from mushroom_tasks.inat.refresh.change_plot import changes_png
from mushroom_tasks.inat.refresh.change_report import changes_page
from mushroom_tasks.inat.refresh.changes import SPECIES_CHANGES, Changes, per_species
from mushroom_tasks.inat.refresh.history import ROLLBACK
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.experiments import INGEST
from mushroom_tasks.stages.results import IngestResult
from mushroom_tasks.storage import Store, fingerprint
from mushroom_tasks.tracking import open_tracker

_LOGGED = ("kept", "malformed", "duplicates")  # of each table's counts
PAGE, PICTURE, TABLE, _MARKER = "changes.html", "changes.png", "changes.parquet", "load.json"


def write(store: Store, engine: Engine, load: Snapshot) -> Changes | None:
    """Write the report of what a load changed, and return it; None where it was compared with nothing."""
    if load.changes is None:
        return None
    changes = Changes.model_validate(load.changes)
    species = per_species(engine, load.id)
    picture = changes_png(species, changes)
    manifests.write_manifest(store, _path(load, TABLE), species, SPECIES_CHANGES, _key(load))
    store.write_bytes(_path(load, PICTURE), picture)
    store.write_text(_path(load, PAGE), changes_page(load, changes, species, picture))
    return changes


def address(store: Store, load: Snapshot) -> str | None:
    """Return the address of the report; None where the load was compared with nothing."""
    return None if load.changes is None else store.address(_path(load, PAGE))


def track(settings: Settings, store: Store, load: Snapshot) -> None:
    """Log a load and its report to MLflow."""
    run = open_tracker(settings).run(INGEST, key=_key(load), name=f"snapshot {load.fingerprint}")
    run.log_params({"source": load.source, "root_taxa": load.root_taxa, "ingest": settings.ingest.model_dump()})
    metrics = {f"rows_{name}/{table}": counts[name] for name in _LOGGED for table, counts in load.counts.items()}
    metrics |= {f"findings/{name}": count for name, count in load.findings.items()}
    if load.changes is not None:
        changes = Changes.model_validate(load.changes)
        run.log_params({"since": changes.since})
        metrics |= {f"changes/{name}": count for name, count in changes.totals.model_dump().items()}
        for name in (PAGE, PICTURE, TABLE):
            run.log_artifact(Path(store.local(_path(load, name), settings.cache)), "changes")
    run.log_metrics(metrics)
    run.finish()


def finish(store: Store, load: Snapshot, result: IngestResult) -> None:
    """Note that the stage has come to its end for this load."""
    store.write_json(_path(load, _MARKER), {"loaded_at": _moment(load), "result": result})


def is_finished(store: Store, load: Snapshot) -> bool:
    """Tell whether the stage came to its end for this load, not for an earlier one of the same snapshot."""
    if load.kind == ROLLBACK:
        return True  # the stage that loaded it first had its own end
    with suppress(FileNotFoundError):
        return bool(store.read_json(_path(load, _MARKER))["loaded_at"] == _moment(load))
    return False


def _moment(load: Snapshot) -> str:
    return load.loaded_at.astimezone(UTC).isoformat()


def _path(load: Snapshot, name: str) -> str:
    return f"loads/{_key(load)}/{name}"


def _key(load: Snapshot) -> str:
    since = None if load.changes is None else load.changes["since"]
    return fingerprint("load", snapshot=load.fingerprint, root_taxa=sorted(load.root_taxa), since=since)
