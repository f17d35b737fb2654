"""The manifests of an intake: SELECTION and DOWNLOADS, as selection and download make them.

selection = selection_table(found.photos, taxa, SplitShares(1, 0.15, 0.15), least=5)
downloads = downloads_table(found, selection)
"""

from __future__ import annotations

import logging
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mushroom_tasks.errors import ImportFailed
from mushroom_tasks.identifiers import own_id
from mushroom_tasks.imports.intake import Intake, Photo
from mushroom_tasks.imports.splitting import SplitShares, split_of
from mushroom_tasks.manifests import DOWNLOADS, SELECTION, STORED
from mushroom_tasks.settings.selection import LEAST_SPECIES

logger = logging.getLogger(__name__)

_JUDGED_BY = frozenset(("validation", "test"))
Taxa = Mapping[str, Mapping[str, Any]]


def plain_taxa(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return per name, of species that no taxonomy is known of, its entry in the form of species.json.

    Names that differ in upper and lower case only are one species, called as most of `names` spell it (a name counts
    as often as it is there; of equally many the one with more small letters).
    """
    spellings: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for name, count in Counter(names).items():
        spellings[name.casefold()].append((count, name))
    # Small letters sort after capitals.
    return {name: _plain_taxon(max(found)[1]) for found in spellings.values() for _, name in found}


def _plain_taxon(name: str) -> dict[str, Any]:
    taxon_id = own_id("taxon", name.casefold())
    return {
        "taxon_id": taxon_id,
        "scientific_name": name,
        "rank": "species",
        "taxonomy": [{"taxon_id": taxon_id, "rank": "species", "name": name}],
    }


def selection_table(photos: Sequence[Photo], taxa: Taxa, shares: SplitShares, least: int) -> pa.Table:
    """Return the photos as a table of schema `manifests.SELECTION`, sorted by photo_id.

    Parameters
    ----------
    photos
        What was taken in.
    taxa
        Per label of the source its entry for species.json; labels that are one taxon become one class.
    shares
        How observers are split. Where a photo's observer is unknown its observation stands for him, else the photo
        itself; then photos by one person may fall in several splits, which is said in the log.
    least
        Species with fewer photos are left out, and so are those without a photo to train on.

    Raises ImportFailed where fewer than two species are left.
    """
    there = frozenset(photo.item.split for photo in photos if photo.item.split is not None)
    rows = [_row(photo, taxa[photo.item.species], shares, there) for photo in photos]
    unknown = sum(not photo.item.observer for photo in photos)
    if unknown and not there >= _JUDGED_BY:
        logger.warning(
            "of %d of %d photos nothing says who took them. They are split by observation, or one by one: photos by "
            "one person, or of one find, may be in training and test, and the accuracy measured on such a test split "
            "is too high. Give an observer for each photo.",
            unknown, len(photos),
        )  # fmt: skip
    table = pa.Table.from_pylist(rows, schema=SELECTION).sort_by("photo_id")
    return _trainable(table, least)


def downloads_table(found: Intake, selection: pa.Table) -> pa.Table:
    """Return a table of schema `manifests.DOWNLOADS`: the selected photos as ok, the bad items as failed."""
    chosen = set(selection["photo_id"].to_pylist())
    rows: list[dict[str, Any]] = [
        {"photo_id": photo.photo_id, "status": "ok", **{name: getattr(photo, name) for name in STORED}}
        for photo in found.photos
        if photo.photo_id in chosen
    ]
    rows += [
        # What cannot be read has no content to be named by.
        {"photo_id": own_id("file", bad.name), "status": "failed", "failure": bad.reason, "detail": bad.detail}
        for bad in found.failures
    ]
    return pa.Table.from_pylist(rows, schema=DOWNLOADS).sort_by("photo_id")


def _row(photo: Photo, taxon: Mapping[str, Any], shares: SplitShares, there: frozenset[str]) -> dict[str, Any]:
    item = photo.item
    observer_id = _observer_id(photo)
    observation = f"{item.observer}:{item.observation}" if item.observation else photo.sha256
    return {
        "photo_id": photo.photo_id,
        "photo_uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, photo.sha256)),
        "observation_uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"observation:{observation}")),
        "observer_id": observer_id,
        "login": None,
        "observer_name": photo.credit or None,
        "taxon_id": taxon["taxon_id"],
        "scientific_name": taxon["scientific_name"],
        "license": photo.license,
        "extension": photo.extension,
        "position": None,
        "latitude": item.latitude,
        "longitude": item.longitude,
        "observed_on": item.observed_on,
        "split": split_of(observer_id, shares, item.split, there),
    }


def _observer_id(photo: Photo) -> int:
    if photo.item.observer:
        return own_id("observer", photo.item.observer)
    if photo.item.observation:
        return own_id("observation", photo.item.observation)
    return own_id("observation", photo.sha256)


def _trainable(table: pa.Table, least: int) -> pa.Table:
    counts = Counter(table["scientific_name"].to_pylist())
    trained = set(table.filter(pc.equal(table["split"], "train"))["scientific_name"].to_pylist())
    few = {name for name, count in counts.items() if count < least}
    untrained = set(counts) - trained - few
    _log_left_out(f"they have fewer than {least} photos", few)
    _log_left_out("all their photos are in the validation and test split", untrained)
    kept = sorted(set(counts) - few - untrained)
    if len(kept) < LEAST_SPECIES:
        raise ImportFailed(
            f"{LEAST_SPECIES} species or more are needed, {len(kept)} can be used. Of {len(counts)} species, "
            f"{len(few)} have fewer than {least} photos and {len(untrained)} none in the training split. Add photos, "
            "or lower imports.min_photos_per_species."
        )
    return table.filter(pc.is_in(table["scientific_name"], pa.array(kept, pa.string())))


def _log_left_out(why: str, names: Iterable[str]) -> None:
    if names := sorted(names):
        logger.warning("%d species are left out, for %s: %s", len(names), why, ", ".join(names[:20]))
