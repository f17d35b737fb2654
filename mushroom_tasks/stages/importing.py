"""Stages for photos of other sources: they end in the manifests that selection and download make.

From there on everything is as usual: embed, prune, publish, train. So data sets of different origin are runs beside
each other in MLflow.

    imported = import_photos(settings, folder_items(path, 30_000_000), Terms("CC-BY", "Ann Other"))
    dataset = whole.finish(settings, imported.downloads, imported.shards, "folder herbarium", report)
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from mushroom_tasks import manifests
from mushroom_tasks.db.engine import migrate, open_engine
from mushroom_tasks.errors import ImportFailed
from mushroom_tasks.imports import quickstart as quick
from mushroom_tasks.imports.inaturalist_api import open_api
from mushroom_tasks.imports.intake import Intake, Terms, take
from mushroom_tasks.imports.item import Item
from mushroom_tasks.imports.licenses import license_code
from mushroom_tasks.imports.pages import Pages
from mushroom_tasks.imports.splitting import SplitShares
from mushroom_tasks.imports.tables import downloads_table, plain_taxa, selection_table
from mushroom_tasks.inat.names import lineages_of_names
from mushroom_tasks.inat.refresh.history import latest_load
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.results import DatasetResult, ImportResult, Report, SelectionResult
from mushroom_tasks.stages.shards import download_shards, embedding_shards
from mushroom_tasks.stages.whole import build
from mushroom_tasks.storage import Store, fingerprint

logger = logging.getLogger(__name__)

QUICKSTART = "iNaturalist API"


def import_photos(settings: Settings, items: Iterable[Item], terms: Terms) -> ImportResult:
    """Take the items of a folder or a Hugging Face data set into the store, and write both manifests.

    Raises ImportFailed where more files cannot be used than `imports.max_failed_ratio` allows, or too few species
    are left.
    """
    if terms.license and license_code(terms.license) is None:
        raise ImportFailed(
            f"that is no open licence of version 4.0. Received: {terms.license!r}. Use CC0, CC-BY, CC-BY-NC, CC-BY-SA, "
            "CC-BY-ND, CC-BY-NC-SA, CC-BY-NC-ND or PD."
        )
    store = Store(settings.store)
    found = take(items, store, terms, settings.download.small_side, settings.home / "progress")
    _check_failures(found, settings.imports.max_failed_ratio)
    taxa = _taxa(settings, [photo.item.species for photo in found.photos])
    table = selection_table(
        found.photos, taxa, SplitShares.of(settings.selection), settings.imports.min_photos_per_species
    )
    selection = _write_selection(store, table, list(taxa.values()))
    downloads = _write_downloads(store, selection, downloads_table(found, table))
    return ImportResult(
        selection=selection,
        downloads=downloads,
        species=len(set(table["taxon_id"].to_pylist())),
        photos=table.num_rows,
        duplicates=found.duplicates,
        failures=dict(sorted(Counter(bad.reason for bad in found.failures).items())),
        shards=embedding_shards(settings, table.num_rows),
    )


def select_from_api(settings: Settings, species: Sequence[str], *, again: bool = False) -> SelectionResult:
    """Select photos of a few species through iNaturalist's API; `again` asks anew what was answered before."""
    store = Store(settings.store)
    with open_api(settings.imports, settings.cache / "inaturalist-api") as api:
        table, entries = quick.select(
            Pages(api, store, again=again), species, settings.root_taxa, settings.selection, settings.home / "progress"
        )
    key = _write_selection(store, table, entries)
    return SelectionResult(
        fingerprint=key,
        address=store.address(_selection_path(key)),
        species=len(set(table["taxon_id"].to_pylist())),
        photos=table.num_rows,
        shards=download_shards(settings, table.num_rows),
    )


def quickstart(settings: Settings, species: Sequence[str], report: Report, *, again: bool = False) -> DatasetResult:
    """Make a data set of real photos: select through the API, download from the open-data bucket, look, publish."""
    selection = select_from_api(settings, species, again=again)
    report("select", selection)
    return build(settings, selection, QUICKSTART, report)


def _check_failures(found: Intake, most: float) -> None:
    total = len(found.photos) + len(found.failures) + found.duplicates
    if not total:
        raise ImportFailed("there are no photos: the source is empty.")
    if len(found.failures) > most * total:
        counts = Counter(bad.reason for bad in found.failures).most_common()
        example = next(bad for bad in found.failures if bad.reason == counts[0][0])
        raise ImportFailed(
            f"{len(found.failures)} of {total} files cannot be used ({len(found.failures) / total:.1%}), more than "
            f"imports.max_failed_ratio allows ({most:.1%}): {', '.join(f'{name} {count}' for name, count in counts)}. "
            f"For example {example.name}: {example.detail}."
        )


def _taxa(settings: Settings, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return an entry for each name: of the loaded snapshot's taxon where there is one, else a plain one.

    `names` has one per photo: species are called as most photos do.
    """
    engine = open_engine(settings)
    migrate(engine)
    known = lineages_of_names(engine, set(names)) if latest_load(engine) is not None else {}
    plain = plain_taxa(name for name in names if name not in known)
    if plain:
        logger.info(
            "%d of %d names count for no species or higher taxon of the loaded snapshot, and have no taxonomy: %s",
            len(plain), len(known) + len(plain), ", ".join(sorted(plain)[:20]),
        )  # fmt: skip
    return {**known, **plain}


def _selection_path(key: str) -> str:
    return f"selections/{key}.parquet"


def _write_selection(store: Store, table: pa.Table, entries: Sequence[dict[str, Any]]) -> str:
    """Write a selection under the fingerprint of its content, which is returned."""
    used = set(table["taxon_id"].to_pylist())
    species = sorted(
        {entry["taxon_id"]: entry for entry in entries if entry["taxon_id"] in used}.values(),
        key=lambda entry: str(entry["scientific_name"]),
    )
    key = fingerprint(
        "imported-selection", version=2, content=manifests.content_hash(table, table.schema.names), species=species
    )
    if manifests.manifest_fingerprint(store, _selection_path(key)) != key:
        # First, as the manifest is what says that this stage is done.
        store.write_json(f"selections/{key}.species.json", species)
        manifests.write_manifest(store, _selection_path(key), table, manifests.SELECTION, key)
    return key


def _write_downloads(store: Store, selection: str, table: pa.Table) -> str:
    """Write the downloads of a selection under the fingerprint of their content, which is returned."""
    content = manifests.content_hash(table, manifests.OBTAINED)
    key = fingerprint("imported-downloads", version=2, selection=selection, content=content)
    path = f"downloads/{key}.parquet"
    if manifests.manifest_fingerprint(store, path) != key:
        store.write_json(f"downloads/{key}.json", {"selection": selection})
        manifests.write_manifest(store, path, table, manifests.DOWNLOADS, key)
    return key
