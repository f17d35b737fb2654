"""A selection of real photos from iNaturalist's public API: a handful of species, no metadata of millions first.

    with open_api(settings.imports, cache) as api:
        table, species = select(Pages(api, store), ["Amanita muscaria", "Boletus edulis"], (47169,), settings.selection)

Which photos: research grade, open licences, the caps, the sampling and the split of the big selection. A common
species has far more observations than are needed, so a few are read from each stretch of ids: stretches are as old as
iNaturalist's observations, and photos of all its years, seasons and observers come in. Stretches are fixed, so asking
again later keeps what was there. The photos themselves come from the open-data bucket, by the ordinary download.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from mushroom_tasks.errors import SelectionError
from mushroom_tasks.imports.observations import slim_page
from mushroom_tasks.imports.pages import Pages
from mushroom_tasks.imports.sampling import Row, choose
from mushroom_tasks.imports.species_search import find_species
from mushroom_tasks.imports.splitting import SplitShares, split_of
from mushroom_tasks.manifests import SELECTION
from mushroom_tasks.progress import Progress
from mushroom_tasks.settings import SelectionSettings
from mushroom_tasks.settings.selection import LEAST_SPECIES

logger = logging.getLogger(__name__)

MOST_SPECIES, MOST_PHOTOS = 50, 500  # beyond, the open data are faster, and meant for it
PER_PAGE = 200  # the most that the API gives
STRETCH = 50_000_000  # ids of observations; there were 330 million in 2026
_MOST_PAGES = 20  # of one species, one after the other
_LEAST_PER_STRETCH = 30
_UNKNOWN_HERE = ("exclude", "countries", "min_anomaly_score")


def select(
    pages: Pages,
    asked: Sequence[str],
    root_taxa: Sequence[int],
    settings: SelectionSettings,
    progress_folder: Path | None = None,
) -> tuple[pa.Table, list[dict[str, Any]]]:
    """Return the selected photos (schema `manifests.SELECTION`, sorted by photo_id) and the species' entries.

    Parameters
    ----------
    pages
        The API.
    asked
        Scientific names or taxon ids of species.
    root_taxa
        Tells which of several species of one name is meant.
    settings
        Photos per species, caps, licences, grades, dates and bounding box, shares and seed.

    Raises
    ------
    SelectionError
        A name is none of a species, fewer than two species have enough photos, or the settings ask for what the API
        cannot tell.
    SourceUnreachable, ImportFailed
        See `inaturalist_api`.
    """
    _check(asked, settings)
    rows: list[Row] = []
    entries: list[dict[str, Any]] = []
    with Progress("quickstart", len(asked), "species", progress_folder) as progress:
        for name in dict.fromkeys(asked):
            entry = find_species(pages, name, root_taxa)
            if entry["taxon_id"] not in {each["taxon_id"] for each in entries}:
                entries.append(entry)
                rows += _of_species(pages, entry, settings)
            progress.advance(1, photos=len(rows), requests=pages.asked)
    return _table(rows, entries, settings), sorted(entries, key=lambda entry: str(entry["scientific_name"]))


def _check(asked: Sequence[str], settings: SelectionSettings) -> None:
    if not LEAST_SPECIES <= len(set(asked)) <= MOST_SPECIES:
        raise SelectionError(
            f"a quick start takes {LEAST_SPECIES} to {MOST_SPECIES} species. Received: {len(set(asked))}. For more, "
            "load a snapshot of the open data: `mushroom run`."
        )
    if settings.photos_per_species > MOST_PHOTOS:
        raise SelectionError(
            f"a quick start takes at most {MOST_PHOTOS} photos per species. Received: {settings.photos_per_species}."
        )
    unknown = [name for name in _UNKNOWN_HERE if getattr(settings, name)]
    if unknown:
        raise SelectionError(
            f"a quick start cannot select by {[f'selection.{name}' for name in unknown]}: leave it out."
        )


def _of_species(pages: Pages, entry: dict[str, Any], settings: SelectionSettings) -> list[Row]:
    """Read pages until there are photos enough, or no more; return the chosen ones."""
    found: list[Row] = []
    chosen: list[Row] = []
    for page in _read(pages, int(entry["taxon_id"]), settings):
        found += [photo for photo in page if _is_wanted(photo, settings)]
        chosen = choose(found, settings)
        if len(chosen) >= settings.photos_per_species:
            break
    if len(chosen) < settings.min_photos_per_species:
        logger.warning(
            "%s is left out: it has %d photos that are allowed, and selection.min_photos_per_species is %d",
            entry["scientific_name"], len(chosen), settings.min_photos_per_species,
        )  # fmt: skip
        return []
    return [{**row, "taxon_id": entry["taxon_id"], "scientific_name": entry["scientific_name"]} for row in chosen]


def _read(pages: Pages, taxon_id: int, settings: SelectionSettings) -> Iterator[list[Row]]:
    """Yield photos: all stretches together first, then page after page from the oldest on."""
    question = _question(taxon_id, settings)
    first = pages.get("observations", question | {"id_above": 0, "per_page": PER_PAGE}, slim_page)
    if first["total"] > PER_PAGE:
        yield list(_spread(pages, question, settings))
    page = first
    for _ in range(_MOST_PAGES):
        yield page["photos"]
        if page["seen"] < PER_PAGE:
            return
        page = pages.get("observations", question | {"id_above": page["last_id"], "per_page": PER_PAGE}, slim_page)


def _spread(pages: Pages, question: dict[str, Any], settings: SelectionSettings) -> Iterator[Row]:
    """Yield photos of the first observations of every stretch, up to that beyond which there are none."""
    each = min(PER_PAGE, max(_LEAST_PER_STRETCH, settings.photos_per_species // 2))
    start = 0
    for _ in range(_MOST_PAGES):
        page = pages.get("observations", question | {"id_above": start, "per_page": each}, slim_page)
        if not page["seen"]:
            return
        yield from page["photos"]
        # The next stretch that begins behind what was read: a page may reach over several.
        start = (max(start, page["last_id"]) // STRETCH + 1) * STRETCH


def _question(taxon_id: int, settings: SelectionSettings) -> dict[str, Any]:
    """Return the parameters of GET /observations that say which observations are wanted."""
    # The API has no name for the public domain; photos are looked at one by one anyway.
    licenses = sorted(set(settings.licenses) - {"PD"}) if "PD" not in settings.licenses else None
    question: dict[str, Any] = {
        "taxon_id": taxon_id,
        "photos": True,
        "quality_grade": sorted(settings.quality_grades),
        "photo_license": licenses,
        # Days reach the API as times in UTC: a day more on both sides, and each photo's own day is looked at.
        "d1": settings.observed_from and (settings.observed_from - timedelta(days=1)).isoformat(),
        "d2": settings.observed_to and (settings.observed_to + timedelta(days=2)).isoformat(),
        "order_by": "id",
        "order": "asc",
    }
    if settings.bounding_box:
        question |= dict(zip(("swlng", "swlat", "nelng", "nelat"), settings.bounding_box, strict=True))
    return {name: value for name, value in question.items() if value is not None}


def _is_wanted(photo: Row, settings: SelectionSettings) -> bool:
    is_allowed = photo["license"] in settings.licenses and photo["quality_grade"] in settings.quality_grades
    return is_allowed and _is_in_time(photo["observed_on"], settings)


def _is_in_time(day: str | None, settings: SelectionSettings) -> bool:
    first, last = settings.observed_from, settings.observed_to
    if first is None and last is None:
        return True
    return day is not None and (first or date.min) <= date.fromisoformat(day) <= (last or date.max)


def _table(rows: list[Row], entries: list[dict[str, Any]], settings: SelectionSettings) -> pa.Table:
    taxa_of: dict[int, set[int]] = {}
    for row in rows:
        taxa_of.setdefault(row["photo_id"], set()).add(row["taxon_id"])
    # One photo on observations of two species: no label can be trusted.
    rows = [row for row in rows if len(taxa_of[row["photo_id"]]) == 1]
    species = {row["taxon_id"] for row in rows}
    if len(species) < LEAST_SPECIES:
        raise SelectionError(
            f"{len(species)} of {len(entries)} species have {settings.min_photos_per_species} photos or more that are "
            f"allowed, {LEAST_SPECIES} are needed. Lower selection.min_photos_per_species, or name other species."
        )
    shares = SplitShares.of(settings)
    table = [
        {
            **row,
            "observed_on": row["observed_on"] and date.fromisoformat(row["observed_on"]),
            "split": split_of(row["observer_id"], shares),
        }
        for row in rows
    ]
    return pa.Table.from_pylist(table, schema=SELECTION).sort_by("photo_id")
