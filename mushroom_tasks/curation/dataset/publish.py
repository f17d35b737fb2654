"""Publish a data set: the manifest, the credits, the card, and last the marker that says it is complete.

A data set is a folder `datasets/<fingerprint>/` in the store:

    pruned.parquet    one row per downloaded photo (schema `manifests.PRUNED`), sorted by photo_id
    attribution.csv   the credit line of every photo
    README.md         the data-set card
    species.json      per species: taxon_id, scientific_name, rank, taxonomy
    overview.png      photos kept and pruned per species
    dataset.json      fingerprint, counts, inputs and settings; written last

A folder without `dataset.json` is unfinished work of a killed run and no data set. A published one is never written
again: the same fingerprint returns what is there.

    published = publish(
        table, store, fingerprint, inputs={...}, settings={...}, failures={"missing": 8}, decided_by={}, species=[...]
    )
    find_dataset(store, published.fingerprint).counts.kept
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mushroom_tasks.curation.counts import left_out_for, tally
from mushroom_tasks.curation.dataset.attribution import write_attribution
from mushroom_tasks.curation.dataset.card import card_text
from mushroom_tasks.curation.dataset.overview import overview_png
from mushroom_tasks.errors import CurationError
from mushroom_tasks.manifests import PRUNED, SPLITS, write_manifest
from mushroom_tasks.storage import Store

logger = logging.getLogger(__name__)

FOLDER = "datasets"
MANIFEST = "pruned.parquet"
ATTRIBUTION = "attribution.csv"
CARD = "README.md"
SPECIES = "species.json"
OVERVIEW = "overview.png"
MARKER = "dataset.json"


class DatasetCounts(BaseModel):
    """Photos of a data set; `train`, `validation` and `test` count kept and pruned ones alike."""

    model_config = ConfigDict(frozen=True)

    species: int
    photos: int
    kept: int
    pruned: int
    train: int
    validation: int
    test: int


class PublishedDataset(BaseModel):
    """A data set in the store, JSON-friendly.

    Attributes
    ----------
    fingerprint
        Of everything the data set was made from; names its folder.
    folder
        Address of the folder, with protocol where the store is remote.
    created
        When it was published, ISO 8601 in UTC. The only thing in the folder that depends on the clock.
    counts
        Species and photos.
    pruned_by_reason, failures
        Photos that were pruned, and photos that could not be had, by reason code.
    decisions, decided_by
        Photos that people decided on: by verdict, and by user name.
    inputs, settings
        What it was made from and how, as handed to `publish`.
    """

    model_config = ConfigDict(frozen=True)

    fingerprint: str
    folder: str
    created: str
    counts: DatasetCounts
    pruned_by_reason: dict[str, int]
    failures: dict[str, int]
    decisions: dict[str, int] = Field(default_factory=dict)
    decided_by: dict[str, int] = Field(default_factory=dict)
    inputs: dict[str, Any]
    settings: dict[str, Any]

    def file(self, name: str) -> str:
        """Return the path of one of its files (`MANIFEST`, `ATTRIBUTION`, ...) relative to the store's root."""
        return f"{FOLDER}/{self.fingerprint}/{name}"


def _now() -> datetime:
    return datetime.now(UTC)


def publish(
    table: pa.Table,
    store: Store,
    fingerprint: str,
    *,
    inputs: Mapping[str, Any],
    settings: Mapping[str, Any],
    failures: Mapping[str, int],
    decided_by: Mapping[str, int],
    species: Sequence[Mapping[str, Any]],
    clock: Callable[[], datetime] = _now,
) -> PublishedDataset:
    """Write a data set into the store, or return it where it is there already.

    Parameters
    ----------
    table
        One row per downloaded photo, schema `manifests.PRUNED`, in any order.
    store, fingerprint
        Where to, and the name of the folder; the caller makes it of everything the data set depends on.
    inputs, settings
        What the data set was made from (fingerprints, source) and how, JSON-friendly; shown in the card.
    failures
        Photos that were selected and could not be had, by reason code.
    decided_by
        Photos that people decided on, by user name.
    species
        Per species `scientific_name` and what else is known of it, JSON-friendly; those without a photo are left out.
    clock
        Tells the time of publication.

    Raises
    ------
    CurationError
        Where the table is empty, lacks columns, holds a photo twice or an unknown split, or names a licence that
        has no credit line.
    StorageError
        Where a column is of another type, or the store cannot be written.
    """
    folder = _folder(fingerprint)
    if store.exists(f"{folder}/{MARKER}"):
        logger.info("data set %s is published already, in %s", fingerprint, store.address(folder))
        return find_dataset(store, fingerprint)
    rows = _checked(table)
    published = PublishedDataset(
        fingerprint=fingerprint,
        folder=store.address(folder),
        created=clock().astimezone(UTC).isoformat(timespec="seconds"),
        counts=_count(rows),
        pruned_by_reason=tally(left_out_for(rows).drop_null()),
        failures=dict(sorted(failures.items())),
        decisions=tally(rows["decision"].drop_null()),
        decided_by=dict(sorted(decided_by.items())),
        inputs=dict(inputs),
        settings=dict(settings),
    )
    _write(store, published, rows, species)
    counts = published.counts
    logger.info("published %s: %d photos, %d pruned, %d species", folder, counts.photos, counts.pruned, counts.species)
    return published


def _write(store: Store, published: PublishedDataset, rows: pa.Table, species: Sequence[Mapping[str, Any]]) -> None:
    write_manifest(store, published.file(MANIFEST), rows, PRUNED, published.fingerprint)
    with store.open_atomic(published.file(ATTRIBUTION), "w") as file:
        write_attribution(rows, file)
    card = card_text(
        rows,
        published.fingerprint,
        inputs=published.inputs,
        settings=published.settings,
        failures=published.failures,
        decided_by=published.decided_by,
    )
    store.write_text(published.file(CARD), card)
    named = set(pc.unique(rows["scientific_name"]).to_pylist())
    store.write_json(published.file(SPECIES), [entry for entry in species if entry["scientific_name"] in named])
    store.write_bytes(published.file(OVERVIEW), overview_png(rows))
    # The folder's address is where the store is now; a store that is moved keeps its data sets.
    store.write_json(published.file(MARKER), published.model_dump(mode="json", exclude={"folder"}))


def find_dataset(store: Store, fingerprint: str) -> PublishedDataset:
    """Return a published data set.

    Raises CurationError, naming the data sets there are, where it is missing; and where its marker is damaged.
    """
    folder = _folder(fingerprint)
    try:
        content = store.read_json(f"{folder}/{MARKER}")
        return PublishedDataset.model_validate({**content, "folder": store.address(folder)})
    except FileNotFoundError:
        known = ", ".join(_complete(store)) or "none"
        raise CurationError(
            f"no data set of that fingerprint in {store.address(FOLDER)}. Received: {fingerprint!r}, there: {known}. "
            "Build it first, or choose one of these."
        ) from None
    except (ValidationError, ValueError, TypeError) as error:
        raise CurationError(
            f"{store.address(folder, MARKER)} cannot be read: {error}. Delete the folder and build the data set again."
        ) from error


def list_datasets(store: Store) -> list[PublishedDataset]:
    """Return the data sets that are complete, newest first; those of one second by fingerprint."""
    found = [find_dataset(store, name) for name in _complete(store)]
    found.sort(key=lambda dataset: dataset.fingerprint)
    return sorted(found, key=lambda dataset: dataset.created, reverse=True)


def _complete(store: Store) -> list[str]:
    return [name for name in store.list(FOLDER) if store.exists(f"{FOLDER}/{name}/{MARKER}")]


def _folder(fingerprint: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z_-]{1,64}", fingerprint):
        raise CurationError(
            f"a fingerprint is letters and digits, as `mushroom datasets` lists. Received: {fingerprint!r}"
        )
    return f"{FOLDER}/{fingerprint}"


def _checked(table: pa.Table) -> pa.Table:
    if table.num_rows == 0:
        raise CurationError(
            "a data set needs photos. Received: a table without rows. Look at the failures of the download, "
            "and at what the selection asks for."
        )
    missing = [name for name in PRUNED.names if name not in table.schema.names]
    if missing:
        raise CurationError(f"a data set needs the columns of manifests.PRUNED. Missing: {missing}")
    rows = table.sort_by("photo_id")
    twice = rows.num_rows - pc.count_distinct(rows["photo_id"]).as_py()
    if twice:
        raise CurationError(f"a data set holds each photo once. Received: {twice} rows whose photo_id is there before.")
    unknown = sorted(set(tally(rows["split"])) - set(SPLITS))
    if unknown:
        raise CurationError(f"a photo's split is one of {list(SPLITS)}. Received: {unknown}")
    return rows


def _count(rows: pa.Table) -> DatasetCounts:
    by_split = tally(rows["split"])
    pruned = pc.sum(rows["is_outlier"]).as_py()
    return DatasetCounts(
        species=pc.count_distinct(rows["scientific_name"]).as_py(),
        photos=rows.num_rows,
        kept=rows.num_rows - pruned,
        pruned=pruned,
        **{split: by_split.get(split, 0) for split in SPLITS},
    )
