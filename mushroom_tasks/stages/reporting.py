"""The report of a pruned manifest: one page, a contact sheet per class, the figures; in the store and in MLflow.

    reports/<key>/report.html      for people: everything on one page that needs nothing else
                  sheets/*.png     a contact sheet per class
                  map.png, map_photos.jpg, k_distances.png
                  classes.parquet, classes.json     the results per class, for programs and as MLflow's table
                  report.json      written last: the report is complete
            of/<pruned>.json       names the report that was made last of a manifest

Made of the manifest, what pruning wrote beside it (`pruned/<key>.classes.json`), the embeddings and the photos.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mushroom_tasks import manifests
from mushroom_tasks.curation.report import FOLDER, PAGE, SHEETS, choosing, embedding_map, figures, latest_path
from mushroom_tasks.curation.report.class_table import class_table, split_json, summary
from mushroom_tasks.curation.report.content import Curve, ReportContent, read_content
from mushroom_tasks.curation.report.facts import COLUMNS, Facts, Rows
from mushroom_tasks.curation.report.outcomes import kinds
from mushroom_tasks.curation.report.page import About, DrawnMap, page
from mushroom_tasks.curation.report.pictures import Pictures, jpeg
from mushroom_tasks.curation.report.plane import Plane
from mushroom_tasks.curation.report.sheet import sheet_png
from mushroom_tasks.learning.embedding_store import EmbeddingStore
from mushroom_tasks.learning.embeddings import embedder_fingerprint
from mushroom_tasks.progress import Progress
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.artifacts import tracked_path
from mushroom_tasks.stages.choices import curation_choices
from mushroom_tasks.stages.experiments import BUILD
from mushroom_tasks.stages.pruning import classes_path
from mushroom_tasks.stages.results import ReportResult
from mushroom_tasks.stages.shards import progress_folder
from mushroom_tasks.storage import Store, fingerprint
from mushroom_tasks.tracking import flatten, open_tracker

logger = logging.getLogger(__name__)

MARKER = "report.json"
_TABLE, _CLASSES = "classes.json", "classes.parquet"
_VERSION = 2  # of what the page says and how: another one makes reports anew
_PAGE_PHOTOS = 1_500  # of the classes most worth a look; about 11 MB in the page, and MLflow shows none beyond 50


def report(settings: Settings, pruned: str) -> ReportResult:
    """Make the report of a pruned manifest and log it to MLflow; what is there already is not made again.

    Raises StorageError where there is no such manifest, LearningError where it has photos without embeddings.
    """
    store = Store(settings.store)
    key = fingerprint("report", version=_VERSION, pruned=pruned, report=settings.report)
    if not store.exists(f"{FOLDER}/{key}/{MARKER}"):
        _make(settings, store, pruned, key)
    made = store.read_json(f"{FOLDER}/{key}/{MARKER}")
    store.write_json(latest_path(pruned), {"report": key})
    return ReportResult(
        fingerprint=key,
        address=store.address(f"{FOLDER}/{key}/{PAGE}"),
        page=_logged(settings, store, pruned, key, made),
        species=made["species"],
        photos=made["photos"],
        sheets=made["sheets"],
    )


def _make(settings: Settings, store: Store, pruned: str, key: str) -> None:
    facts = Facts(manifests.read_manifest(store, f"pruned/{pruned}.parquet", manifests.PRUNED, COLUMNS))
    relabelled = choosing.two_labels(facts)
    content = read_content(
        facts,
        _curves(store, pruned),
        choosing.across_species(facts, relabelled, _embeddings(settings, store, facts, relabelled)),
        photos_per_class=settings.report.photos_per_class,
        max_photos=settings.report.max_photos,
    )
    with TemporaryDirectory(prefix="report-") as name:
        folder = Path(name)
        sheets = _write(settings, store, content, pruned, folder)
        counts = {"species": len(content.classes), "photos": content.photos, "sheets": sheets}
        made = counts | {"pruned": pruned, "metrics": summary(content)}
        (folder / MARKER).write_text(json.dumps(made, indent=2), encoding="utf-8")
        store.upload_folder(folder, f"{FOLDER}/{key}", marker=MARKER)
    logger.info("report of %d species: %s", len(content.classes), store.address(f"{FOLDER}/{key}/{PAGE}"))


def _curves(store: Store, pruned: str) -> dict[int, Curve]:
    """Return the curves that pruning wrote, by taxon_id; classes that were not judged have none."""
    found = store.read_json(classes_path(pruned))
    return {
        int(taxon_id): Curve(tuple(sorted(each["k_distances"])), each["eps"], each["photos"])
        for taxon_id, each in found.items()
        if each["eps"] is not None and each["k_distances"]
    }


def _write(settings: Settings, store: Store, content: ReportContent, pruned: str, folder: Path) -> int:
    """Write all files of a report but its marker; return how many contact sheets there are."""
    plane = _plane(settings, store, content)
    with Pictures(store, content.facts) as pictures:
        images = _write_sheets(settings, content, pictures, folder)
        sheets = len(list(folder.glob(f"{SHEETS}/*.png")))
        photos = None
        if plane is not None:
            (folder / "map.png").write_bytes(figures.map_png(plane, content.names))
            if settings.report.photos_per_class:
                shown = [int(plane.rows[place]) for place in plane.cells().values()]
                photos = figures.photo_map(plane, dict(zip(shown, pictures.read(shown, figures.CELL), strict=True)))
                (folder / "map_photos.jpg").write_bytes(photos)
    (folder / "k_distances.png").write_bytes(figures.curves_png(content.by_attention()))
    table = class_table(content)
    pq.write_table(table, folder / _CLASSES)
    (folder / _TABLE).write_text(split_json(table), encoding="utf-8")
    about = About(pruned, sorted(flatten(curation_choices(settings)).items()), settings.pruning.eps)
    drawn = None if plane is None else DrawnMap(plane, photos)
    (folder / PAGE).write_text(page(content, images, drawn, about), encoding="utf-8")
    return sheets


def _write_sheets(settings: Settings, content: ReportContent, pictures: Pictures, folder: Path) -> dict[int, bytes]:
    """Write the contact sheets, and return the photos of the page as JPEGs, by row."""
    images: dict[int, bytes] = {}
    if not settings.report.photos_per_class:
        return images
    on_page = content.rows_of_page(_PAGE_PHOTOS)
    (folder / SHEETS).mkdir()
    with Progress("report", len(content.classes), "species", progress_folder(settings, 0)) as progress:
        for each in content.classes:
            rows = each.shown_rows()
            squares = dict(zip(rows, pictures.read(rows), strict=True))
            if rows:
                (folder / SHEETS / f"{each.slug}.png").write_bytes(sheet_png(content.facts, each, squares))
            images |= {row: jpeg(square) for row, square in squares.items() if square and row in on_page}
            progress.advance(1)
    others = sorted(on_page - set(images))
    images |= {row: jpeg(square) for row, square in zip(others, pictures.read(others), strict=True) if square}
    return images


def _plane(settings: Settings, store: Store, content: ReportContent) -> Plane | None:
    facts = content.facts
    rows = embedding_map.sample(facts.photo_id, facts.taxon_id, settings.report.map_photos)
    places = embedding_map.layout(_embeddings(settings, store, facts, rows))
    return Plane(rows, places, kinds(facts)[rows], facts.taxon_id[rows]) if len(places) else None


def _embeddings(settings: Settings, store: Store, facts: Facts, rows: Rows) -> NDArray[np.float32]:
    if not len(rows):
        return np.empty((0, 0), np.float32)
    known = EmbeddingStore(store, embedder_fingerprint(settings.embedding))
    return known.matrix(manifests.for_learning(facts.rows.take(rows)))


def _logged(settings: Settings, store: Store, pruned: str, key: str, made: Mapping[str, Any]) -> str | None:
    """Log the report to MLflow, once; return the address of its page there, None where no server shows one.

    One made with other settings has a folder of its own beside it: what is logged replaces nothing that is there.
    """
    marker = tracked_path(settings, "reports", key)
    if not store.exists(marker):
        run = open_tracker(settings).run(BUILD, key=pruned, name=f"data set {pruned}", tags={"pruned": pruned})
        run.log_params(curation_choices(settings))
        run.log_metrics(made["metrics"])
        folder = f"report/{key}"
        run.log_folder(_local(settings, store, key), folder)
        run.mark_table(f"{folder}/{_TABLE}")
        run.finish()
        store.write_json(marker, {"page": run.page(f"{folder}/{PAGE}")})
    shown: str | None = store.read_json(marker)["page"]
    return shown


def _local(settings: Settings, store: Store, key: str) -> Path:
    """Return a local folder with the report's files."""
    folder = f"{FOLDER}/{key}"
    sheets = [f"{SHEETS}/{name}" for name in store.list(f"{folder}/{SHEETS}")]
    files = [name for name in store.list(folder) if name != SHEETS] + sheets
    for name in files:
        store.local(f"{folder}/{name}", settings.cache)
    return store.local(f"{folder}/{MARKER}", settings.cache).parent
