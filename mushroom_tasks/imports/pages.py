"""Answers of the API, kept in the store: a quick start that was cut off goes on where it was.

    pages = Pages(api, store, again=False)
    pages.get("observations", {"taxon_id": 48715}, slim_page)["photos"]

What is kept is what `slim` makes of an answer: an observation comes with 20 kB of which a few hundred bytes are used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from mushroom_tasks.storage import Store, fingerprint

FOLDER = "quickstart/pages"


class Api(Protocol):
    """What answers."""

    def get(self, path: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer, or raise."""


class Pages:
    """The API behind its kept answers; `again` asks anew and replaces them."""

    def __init__(self, api: Api, store: Store, *, again: bool = False) -> None:
        self._api, self._store, self._again = api, store, again
        self.asked = 0

    def get(
        self, path: str, parameters: Mapping[str, Any], slim: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> dict[str, Any]:
        """Return `slim` of the answer to a request, asked once."""
        key = f"{FOLDER}/{fingerprint('page', path=path, parameters=dict(parameters))}.json"
        if not self._again and self._store.exists(key):
            kept: dict[str, Any] = self._store.read_json(key)
            return kept
        answer = slim(self._api.get(path, parameters))
        self.asked += 1
        self._store.write_json(key, answer)
        return answer
