"""iNaturalist's public API on 127.0.0.1, as its documentation and its answers describe it: /taxa, /observations.

Made after https://api.inaturalist.org/v1/docs and the answers that pyinaturalist keeps as test data: `total_results`
counts what the question matches beyond `id_above`, `per_page` is 200 at the most, pages are by `order_by=id`, licences
are written small and null means all rights reserved.
"""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

OPEN, CLOSED = "https://inaturalist-open-data.s3.amazonaws.com", "https://static.inaturalist.org"
LIFE = {"id": 48460, "name": "Life", "rank": "stateofmatter", "rank_level": 100}
FUNGI = {"id": 47170, "name": "Fungi", "rank": "kingdom", "rank_level": 70}
AMANITA = {"id": 47348, "name": "Amanita", "rank": "genus", "rank_level": 20}
PLANTAE = {"id": 47126, "name": "Plantae", "rank": "kingdom", "rank_level": 70}


def taxon(taxon_id: int, name: str, *above: dict[str, Any], rank: str = "species", level: int = 10) -> dict[str, Any]:
    line = [LIFE, *(above or (FUNGI, AMANITA))]
    return {
        "id": taxon_id,
        "name": name,
        "rank": rank,
        "rank_level": level,
        "is_active": True,
        "matched_term": name,
        "ancestor_ids": [*(each["id"] for each in line), taxon_id],
        "ancestors": [{**each, "is_active": True} for each in line],
        "current_synonymous_taxon_ids": None,
        "default_photo": None,
    }


MUSCARIA = taxon(48715, "Amanita muscaria")
GUESSOWII = taxon(122150, "Amanita muscaria guessowii", FUNGI, AMANITA, MUSCARIA, rank="variety", level=5)
VIROSA = taxon(130150, "Amanita virosa")


@dataclass
class Inaturalist:
    """What the server knows, what it was asked, and how it is to misbehave."""

    taxa: list[dict[str, Any]] = field(default_factory=lambda: [MUSCARIA, GUESSOWII, VIROSA])
    observations: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    faults: list[Callable[[], web.StreamResponse]] = field(default_factory=list)  # one per request, until used up
    cut_off_after: int | None = None  # answers, then none at all
    agents: set[str] = field(default_factory=set)
    url: str = ""

    def observe(self, number: int, of: dict[str, Any] = MUSCARIA, photos: int = 1, **changes: Any) -> dict[str, Any]:
        """Add an observation; `licenses` are those of its photos, else all are cc-by-nc."""
        user = changes.pop("user", number % 17 + 1)
        licenses = changes.pop("licenses", ["cc-by-nc"] * photos)
        found = {
            "id": number,
            "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"observation {number}")),
            "quality_grade": "research",
            "observed_on": "2024-09-01",
            "taxon": {key: value for key, value in of.items() if key not in ("ancestors", "matched_term")},
            "user": {"id": user, "login": f"user{user}", "name": f"User {user}" if user % 2 else None},
            "geojson": {"type": "Point", "coordinates": [12.25, 55.5]},
            "location": "55.5,12.25",
            "observation_photos": [
                self._photo(number * 10 + nth, license_code, nth) for nth, license_code in enumerate(licenses)
            ],
            **changes,
        }
        self.observations.append(found)
        return found

    def requests(self, path: str) -> list[dict[str, str]]:
        return [query for asked, query in self.asked if asked == path]

    @staticmethod
    def _photo(photo_id: int, license_code: str | None, position: int) -> dict[str, Any]:
        return {
            "id": photo_id + 7,
            "position": position,
            "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"photo {photo_id}")),
            "photo": {
                "id": photo_id,
                "license_code": license_code,
                "url": f"{OPEN if license_code else CLOSED}/photos/{photo_id}/square.jpg",
                "attribution": "(c) somebody",
                "original_dimensions": {"width": 2048, "height": 1536},
                "flags": [],
                "hidden": False,
            },
        }

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/v1/")
        self.asked.append((path, dict(request.query)))
        self.agents.add(request.headers["User-Agent"])
        if self.cut_off_after is not None and len(self.asked) > self.cut_off_after:
            assert request.transport is not None
            request.transport.abort()
        if self.faults:
            return self.faults.pop(0)()
        if path == "taxa":
            found = [self._slim(each) for each in self.taxa if self._matches(each, request.query)]
            return self._page(found, len(found), 30)
        if path.startswith("taxa/"):
            found = [each for each in self.taxa if str(each["id"]) == path.partition("/")[2]]
            return self._page(found, len(found), 30)
        return self._observations(request.query)

    def _observations(self, query: Any) -> web.Response:
        size = int(query.get("per_page", 30))
        if size > 200:
            return web.json_response({"error": "per_page"}, status=422)
        licenses = set(query["photo_license"].lower().split(",")) if "photo_license" in query else None
        found = [
            each
            for each in sorted(self.observations, key=lambda each: each["id"])
            if each["id"] > int(query.get("id_above", 0))
            and int(query["taxon_id"]) in each["taxon"]["ancestor_ids"]
            and each["quality_grade"] in query["quality_grade"].split(",")
            and (licenses is None or licenses & {p["photo"]["license_code"] for p in each["observation_photos"]})
            and ("d1" not in query or str(each["observed_on"]) >= query["d1"])
            and ("d2" not in query or str(each["observed_on"]) <= query["d2"])
        ]
        return self._page(found[:size], len(found), size)

    @staticmethod
    def _page(results: list[dict[str, Any]], total: int, size: int) -> web.Response:
        return web.json_response({"total_results": total, "page": 1, "per_page": size, "results": results})

    @staticmethod
    def _slim(each: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in each.items() if key != "ancestors"}

    @staticmethod
    def _matches(each: dict[str, Any], query: Any) -> bool:
        is_called = query["q"].lower() in (each["name"] + each["matched_term"]).lower()
        return is_called and each["rank"] == query["rank"] and each["is_active"] == (query["is_active"] == "true")


def status(code: int, **headers: str) -> Callable[[], web.Response]:
    return lambda: web.Response(status=code, headers={name.replace("_", "-"): value for name, value in headers.items()})


def broken_json() -> web.Response:
    return web.Response(text=json.dumps({"total_results": 1, "results": []})[:-4], content_type="application/json")


def web_page() -> web.Response:
    return web.Response(text="<html>Down for maintenance</html>", content_type="text/html")


@contextmanager
def running_api() -> Iterator[Inaturalist]:
    api = Inaturalist()
    loop = asyncio.new_event_loop()
    started = threading.Event()

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/v1/{path:.*}", api.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        api.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        started.set()
        return runner

    def serve() -> None:
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield api
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
