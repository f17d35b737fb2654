"""Find a species at iNaturalist by its name, with the taxonomy that bundles show.

    find_species(pages, "Amanita muscaria", root_taxa=(47169,))["taxonomy"][0]["name"]       # "Fungi"

Endpoints: GET /taxa?q=... for the name, GET /taxa/{id} for the ancestors.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mushroom_tasks.errors import SelectionError
from mushroom_tasks.imports.pages import Pages

logger = logging.getLogger(__name__)

_KINGDOM_LEVEL = 70
_SUGGESTED = 5


def find_species(pages: Pages, asked: str, root_taxa: Sequence[int]) -> dict[str, Any]:
    """Return a species' entry for species.json: taxon_id, scientific_name, rank, taxonomy from kingdom down.

    `asked` is a scientific name, which may be outdated (iNaturalist knows what it is called now), or a taxon id.
    Where a name is several species', the one below `root_taxa` is meant.

    Raises SelectionError where there is no such species, or several.
    """
    taxon_id = int(asked) if asked.isdecimal() else _search(pages, asked, set(root_taxa))
    found = pages.get(f"taxa/{taxon_id}", {}, _slim_taxa)["results"]
    taxon = next((each for each in found if each["id"] == taxon_id), None)
    if taxon is None:
        raise SelectionError(f"iNaturalist has no taxon {taxon_id}. Received: {asked!r}")
    if taxon["rank"] != "species" or not taxon["is_active"]:
        state = taxon["rank"] if taxon["is_active"] else f"{taxon['rank']} that is no longer in use"
        raise SelectionError(f"{taxon['name']} is a {state}; give the name of a species. Received: {asked!r}")
    line = [*(each for each in taxon["ancestors"] if each["rank_level"] <= _KINGDOM_LEVEL), taxon]
    return {
        "taxon_id": taxon_id,
        "scientific_name": taxon["name"],
        "rank": taxon["rank"],
        "taxonomy": [{"taxon_id": each["id"], "rank": each["rank"], "name": each["name"]} for each in line],
    }


def _search(pages: Pages, asked: str, root_taxa: set[int]) -> int:
    parameters = {"q": asked, "rank": "species", "is_active": True, "per_page": 30}
    found = pages.get("taxa", parameters, _slim_taxa)["results"]
    name = asked.casefold()
    matches = [each for each in found if each["name"].casefold() == name]
    matches = matches or [each for each in found if each["matched_term"].casefold() == name]
    if len(matches) > 1:
        matches = [each for each in matches if root_taxa & set(each["ancestor_ids"])] or matches
    if len(matches) != 1:
        said = (
            ", ".join(f"{each['name']} ({each['id']})" for each in (matches or found)[:_SUGGESTED]) or "nothing like it"
        )
        raise SelectionError(
            f"{len(matches)} species at iNaturalist are called {asked!r}. It has: {said}. Give the name as iNaturalist "
            "has it, or the taxon id."
        )
    if matches[0]["name"].casefold() != name:
        logger.info("%s is called %s at iNaturalist", asked, matches[0]["name"])
    return int(matches[0]["id"])


def _slim_taxa(answer: dict[str, Any]) -> dict[str, Any]:
    return {"results": [_slim(each) for each in answer["results"]]}


def _slim(taxon: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": int(taxon["id"]),
        "name": str(taxon.get("name") or ""),
        "rank": str(taxon.get("rank") or ""),
        "rank_level": float(taxon.get("rank_level") or 0),
        "is_active": bool(taxon.get("is_active", True)),
        "matched_term": str(taxon.get("matched_term") or ""),
        "ancestor_ids": [int(each) for each in taxon.get("ancestor_ids") or ()],
        "ancestors": [_slim(each) for each in taxon.get("ancestors") or ()],
    }
