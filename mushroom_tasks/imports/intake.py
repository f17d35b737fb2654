"""Take items of another source into the store: check each, keep it by content, say of each bad one why.

    found = take(items, Store("store"), Terms(license="CC-BY", credit="Ann Other"), progress_folder)
    found.photos[0].path        # "photos/imported/245/5102321690669245.jpg"

A file is believed as little as one from the web: it is decoded in full before it is kept. It is kept exactly as it
is, under an id made of its content, so the same photo is kept once, and taking a source in again writes nothing.
Files under way are bounded by the processors, whatever the number of items; of each photo about 1 kB stays in memory.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mushroom_tasks import imaging
from mushroom_tasks.errors import PhotoError
from mushroom_tasks.escaping import plain
from mushroom_tasks.identifiers import folder_number, own_id
from mushroom_tasks.imports.item import Item
from mushroom_tasks.imports.licenses import license_code
from mushroom_tasks.manifests import SPLITS
from mushroom_tasks.progress import Progress
from mushroom_tasks.storage import Store

logger = logging.getLogger(__name__)

FOLDER = "photos/imported"
_EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}
_NO_CREDIT_NEEDED = ("CC0", "PD")
_SPLIT_ORDER = {split: number for number, split in enumerate(reversed(SPLITS))}  # the test split keeps its photos


@dataclass(frozen=True)
class Terms:
    """Licence and credit of the items that say nothing themselves; empty where each has to."""

    license: str = ""
    credit: str = ""


@dataclass(frozen=True)
class Photo:
    """A photo that was taken in: the item, what it is licensed as, and the file in the store."""

    item: Item
    license: str
    credit: str
    photo_id: int
    path: str
    sha256: str
    bytes: int
    width: int
    height: int
    format: str
    small_path: str | None = None
    small_sha256: str | None = None

    @property
    def extension(self) -> str:
        """File extension, by content."""
        return _EXTENSIONS[self.format]


@dataclass(frozen=True)
class Failure:
    """An item that cannot be used: a stable reason code, and what was received."""

    name: str
    reason: str
    detail: str


@dataclass
class Intake:
    """What became of a source's items."""

    photos: list[Photo] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    duplicates: int = 0


def take(
    items: Iterable[Item],
    store: Store,
    terms: Terms,
    small_side: int = 0,
    progress_folder: Path | None = None,
) -> Intake:
    """Bring items into the store and return what became of each, photos in order of their ids.

    Where `small_side` is not 0, the smaller copy that training reads is made too, its shorter side of so many pixels.

    Reasons of failures: those of `imaging.decode`, and `missing`, `unreadable`, `not_a_file`, `too_large`,
    `no_species`, `license` (none, unknown, or of another version than 4.0), `no_credit`, `disputed` (one content
    with several species: no label can be trusted), `id_collision`.

    Raises StorageFull or StorageError where the store cannot be written.
    """
    found = Intake()
    with Progress("import", 0, "photos", progress_folder) as progress:
        for outcome in _in_order(lambda item: _one(item, store, terms, small_side), items):
            if isinstance(outcome, Photo):
                found.photos.append(outcome)
            else:
                found.failures.append(outcome)
            progress.advance(1, failed=len(found.failures))
    return _distinct(found)


def _one(item: Item, store: Store, terms: Terms, small_side: int) -> Photo | Failure:
    try:
        code, credit = _checked(item, terms)
        return _keep(item, store, code, credit, small_side)
    except PhotoError as error:
        return Failure(plain(item.name), error.reason, plain(str(error)))


def _checked(item: Item, terms: Terms) -> tuple[str, str]:
    """Return an item's licence code and credit."""
    if not plain(item.species):
        raise PhotoError("no_species", f"nothing says which species {item.name} shows")
    said = item.license or terms.license
    code = license_code(said)
    if code is None:
        raise PhotoError("license", f"{item.name} has no open licence of version 4.0. Received: {said!r}")
    credit = plain(item.credit or terms.credit)
    if not credit and code not in _NO_CREDIT_NEEDED:
        raise PhotoError("no_credit", f"{item.name} is licensed as {code}, and nothing says whom to credit")
    return code, credit


def _keep(item: Item, store: Store, code: str, credit: str, small_side: int) -> Photo:
    data = item.read()
    kind, width, height = imaging.probe(data)
    sha256 = hashlib.sha256(data).hexdigest()
    photo_id = own_id("photo", sha256)
    path = f"{FOLDER}/{_place(photo_id)}.{_EXTENSIONS[kind]}"
    kept = _read(store, path)
    if kept is not None and kept != data and own_id("photo", hashlib.sha256(kept).hexdigest()) == photo_id:
        raise PhotoError("id_collision", f"another photo in the store has the id {photo_id}")
    if kept != data:  # not there, or damaged by something else than us
        store.write_bytes(path, data)
    copy = _keep_small(data, photo_id, store, small_side)
    return Photo(item, code, credit, photo_id, path, sha256, len(data), width, height, kind, *copy)


def _keep_small(data: bytes, photo_id: int, store: Store, side: int) -> tuple[str | None, str | None]:
    copy = imaging.smaller(data, side) if side else None
    if copy is None:
        return None, None
    path = f"{FOLDER}-{side}/{_place(photo_id)}.jpg"
    if _read(store, path) != copy:
        store.write_bytes(path, copy)
    return path, hashlib.sha256(copy).hexdigest()


def _place(photo_id: int) -> str:
    return f"{folder_number(photo_id)}/{photo_id}"


def _read(store: Store, path: str) -> bytes | None:
    with suppress(FileNotFoundError):
        return store.read_bytes(path)
    return None


def _in_order(work: Callable[[Item], Photo | Failure], items: Iterable[Item]) -> Iterator[Photo | Failure]:
    """Do the work in threads (decoding leaves Python free), few items ahead, results in the order of the items."""
    threads = os.cpu_count() or 1
    waiting: deque[Future[Photo | Failure]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="import") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _distinct(found: Intake) -> Intake:
    """Return the intake with each content once, and none whose species is in dispute."""
    by_id: dict[int, list[Photo]] = {}
    for photo in found.photos:
        by_id.setdefault(photo.photo_id, []).append(photo)
    kept = []
    for photo_id in sorted(by_id):
        same = sorted(by_id[photo_id], key=lambda photo: (_SPLIT_ORDER.get(photo.item.split or "", 9), photo.item.name))
        first = same[0]
        others = sorted({photo.item.species.casefold(): photo.item.species for photo in same}.values())
        if len({photo.sha256 for photo in same}) > 1:
            found.failures += [_failure(photo, "id_collision", f"the id {photo_id} is given twice") for photo in same]
        elif len(others) > 1:
            found.failures += [_failure(photo, "disputed", f"the same photo is labelled {others}") for photo in same]
        else:
            kept.append(first)
            found.duplicates += len(same) - 1
    if found.duplicates:
        logger.info("%d files have the same content as another of their species, and are left out", found.duplicates)
    return Intake(kept, found.failures, found.duplicates)


def _failure(photo: Photo, reason: str, detail: str) -> Failure:
    return Failure(plain(photo.item.name), reason, plain(f"{photo.item.name}: {detail}"))
