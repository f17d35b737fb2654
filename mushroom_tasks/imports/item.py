"""One labelled photo of another source, before anything of it is believed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from mushroom_tasks.errors import PhotoError


@dataclass(frozen=True)
class Item:
    """A photo and what its source says of it.

    Attributes
    ----------
    name
        What the source calls it, for messages: a path, or split and row number.
    species
        Scientific name; empty where the source gives none.
    read
        Returns the file's bytes; raises PhotoError where there are none to be had.
    license
        As written at the source (see `licenses`); empty where nothing is said.
    credit
        Who is to be credited; empty where nothing is said.
    observer, observation
        Anything that is the same for photos by one person, and for photos of one find; empty where unknown.
    split
        The split that the source puts the photo in, None where it has none.
    """

    name: str
    species: str
    read: Callable[[], bytes]
    license: str = ""
    credit: str = ""
    observer: str = ""
    observation: str = ""
    split: str | None = None
    observed_on: date | None = None
    latitude: float | None = None
    longitude: float | None = None


def scientific_name(text: str) -> str:
    """Return a species' name as it is compared: blanks for underscores, none doubled, the first letter a capital."""
    name = " ".join(text.replace("_", " ").split())
    return name[:1].upper() + name[1:]


def day_of(text: str) -> date | None:
    """Return the day of an ISO date or time, None where it is none: a bad date costs no photo."""
    try:
        return date.fromisoformat(text.strip()[:10])
    except ValueError:
        return None


def degrees_of(text: str, limit: float) -> float | None:
    """Return a coordinate, None where it is none or beyond +-`limit` degrees."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if -limit <= value <= limit else None


def read_at_most(data: bytes, max_bytes: int) -> bytes:
    """Return the data, or raise PhotoError (`too_large`) where it is longer than allowed."""
    if len(data) > max_bytes:
        raise PhotoError("too_large", f"more than {max_bytes} bytes, which is all that is allowed")
    return data
