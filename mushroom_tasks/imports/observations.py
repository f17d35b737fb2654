"""Observations as the API gives them, turned into rows of photos.

    slim_page(answer)["photos"][0]["license"]        # "CC-BY-NC"

The API writes licences small (cc-by-nc, null for all rights reserved) and gives each photo as an address whose last
parts are its id, a size and the extension: https://inaturalist-open-data.s3.amazonaws.com/photos/1234/square.jpg
Photos under a closed licence are at another address, and not in the open-data bucket.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from mushroom_tasks.imports.item import day_of, degrees_of
from mushroom_tasks.imports.licenses import license_code

_PHOTO = re.compile(r".*/photos/(\d+)/\w+\.([A-Za-z0-9]{1,8})")
_CLOSED = "static.inaturalist.org"


def slim_page(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is used of a page: `total` observations of the whole question, `seen` of this page, the `last_id`
    among them, and `photos` with an open licence, one mapping each.

    An observation that lacks what is needed, or whose taxon is inactive or a hybrid, gives no photo.
    """
    results = answer["results"]
    ids = [int(each["id"]) for each in results if isinstance(each, Mapping) and str(each.get("id", "")).isdecimal()]
    return {
        "total": int(answer.get("total_results") or 0),
        "seen": len(results),
        "last_id": max(ids, default=0),
        "photos": [photo for each in results if isinstance(each, Mapping) for photo in _photos(each)],
    }


def _photos(observation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    day = day_of(str(observation.get("observed_on")))
    taxon, user = _mapping(observation.get("taxon")), _mapping(observation.get("user"))
    is_usable = taxon.get("is_active", True) and "hybrid" not in str(taxon.get("rank"))
    if not is_usable or not isinstance(user.get("id"), int) or not observation.get("uuid"):
        return
    shared = {
        "observation_uuid": str(observation["uuid"]),
        "observer_id": user["id"],
        "login": user.get("login") or None,
        "observer_name": user.get("name") or None,
        "quality_grade": str(observation.get("quality_grade")),
        "observed_on": day and day.isoformat(),
        **_place(observation),
    }
    for position, entry in enumerate(observation.get("observation_photos") or ()):
        photo = _mapping(_mapping(entry).get("photo"))
        address = urlsplit(str(photo.get("url") or ""))
        found = _PHOTO.fullmatch(address.path) if address.hostname != _CLOSED else None
        code = license_code(str(photo.get("license_code") or ""))
        if found is None or code is None or photo.get("hidden"):
            continue
        yield {
            **shared,
            "photo_id": int(found[1]),
            "photo_uuid": str(entry.get("uuid") or ""),
            "license": code,
            "extension": found[2],
            "position": entry["position"] if isinstance(entry.get("position"), int) else position,
        }


def _place(observation: Mapping[str, Any]) -> dict[str, float | None]:
    coordinates = _mapping(observation.get("geojson")).get("coordinates")
    if not isinstance(coordinates, list) or len(coordinates) != 2:
        return {"latitude": None, "longitude": None}
    return {"latitude": degrees_of(str(coordinates[1]), 90), "longitude": degrees_of(str(coordinates[0]), 180)}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
