"""The snapshots that the store holds: recognise one, adopt another, delete old ones.

snapshots/<fingerprint>/taxa.csv.gz ... snapshot.json       complete; the JSON file is its marker
incoming/<source>/                                          under way, see `partial.py`

clean(store, keep=2, spare=[loaded.fingerprint, former.fingerprint], partial=None)
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mushroom_tasks.inat.snapshots.gzip_check import Content
from mushroom_tasks.inat.snapshots.partial import is_held
from mushroom_tasks.inat.snapshots.sources import Validators
from mushroom_tasks.inat.tables import FILES
from mushroom_tasks.progress import size
from mushroom_tasks.storage import Store, fingerprint

logger = logging.getLogger(__name__)

MARKER = "snapshot.json"
_SNAPSHOTS, _INCOMING = "snapshots", "incoming"
_REMEMBERED = 20  # publications of the same content that a marker names
_LEFT_BEHIND = 7 * 86_400.0  # seconds without a change after which nobody comes back for a file under way


@dataclass(frozen=True)
class FetchedSnapshot:
    """A complete snapshot in the store.

    `folder` is relative to the store root; `validators` are what the source said about each of its files; `bytes` is
    the size of the four tables together, as the store holds them.
    """

    fingerprint: str
    folder: str
    validators: dict[str, Validators]
    bytes: int


def folder_of(snapshot_fingerprint: str) -> str:
    """Return the folder of a snapshot, relative to the store root."""
    return f"{_SNAPSHOTS}/{snapshot_fingerprint}"


def incoming_root(store: Store, partial: Path | None) -> Path | None:
    """Return the folder for files under way: in a local store, so that adopting them is a rename; else `partial`."""
    return Path(store.path(_INCOMING)) if store.is_local else partial


def known(store: Store, source: str, seen: Mapping[str, Validators]) -> FetchedSnapshot | None:
    """Return the snapshot that an earlier fetch made of the very same publication; None where there is none."""
    for name in store.list(_SNAPSHOTS):
        marker = _marker(store, name)
        if marker is not None and _publication(source, seen) in marker["publications"]:
            return FetchedSnapshot(name, folder_of(name), dict(seen), marker["bytes"])
    return None


def adopt(
    store: Store, source: str, tables: Path, seen: Mapping[str, Validators], contents: Mapping[str, Content]
) -> FetchedSnapshot:
    """Give the four files in the local folder `tables` their place under the fingerprint of their content.

    The fingerprint is of the unpacked content. Where the store has that snapshot, only the publication and the time
    are noted.
    """
    name = fingerprint("snapshot", tables={file: contents[file].sha256 for file in FILES})
    folder = folder_of(name)
    there = _marker(store, name)
    marker = there or {
        "bytes": sum(contents[file].bytes for file in FILES),
        "files": {file: {"sha256": contents[file].sha256, "bytes": contents[file].bytes} for file in FILES},
        "publications": [],
    }
    marker["fetched_at"] = datetime.now(UTC).isoformat(timespec="seconds")
    others = [publication for publication in marker["publications"] if publication != _publication(source, seen)]
    marker["publications"] = [*others, _publication(source, seen)][-_REMEMBERED:]
    if there is None:
        _place(store, tables, folder, marker)
    else:
        store.write_json(f"{folder}/{MARKER}", marker)
    return FetchedSnapshot(name, folder, dict(seen), marker["bytes"])


def clean(store: Store, keep: int, spare: Collection[str], *, partial: Path | None = None) -> list[str]:
    """Delete all but the `keep` newest snapshots, and what fetches left behind; return the fingerprints deleted.

    `spare` names the snapshots that stay in any case: the one that is loaded, and the one that a rollback would bring
    back. Newest means fetched last. Left behind is what nobody has touched for a week and no process holds: files
    under way (`partial` as in `fetch`), and folders of snapshots that were never completed.
    """
    markers = {name: _marker(store, name) for name in store.list(_SNAPSHOTS)}
    complete = {name: marker for name, marker in markers.items() if marker is not None}
    by_age = sorted(complete, key=lambda name: (str(complete[name]["fetched_at"]), name), reverse=True)
    deleted = [name for name in by_age[keep:] if name not in spare]
    for name in deleted:
        _delete(store, name)
        logger.info(
            "deleted snapshot %s, fetched %s: %s",
            name,
            complete[name]["fetched_at"],
            size(complete[name]["bytes"]),
        )
    for name in markers.keys() - complete.keys() - set(spare):
        if _is_left_behind(store, folder_of(name)):
            _delete(store, name)
            logger.info("deleted what a fetch left behind in %s", folder_of(name))
    _clean_incoming(incoming_root(store, partial))
    return deleted


def _delete(store: Store, name: str) -> None:
    # The marker first: a snapshot that is deleted by half must not look complete.
    store.delete(f"{folder_of(name)}/{MARKER}")
    store.delete(folder_of(name), recursive=True)


def _is_left_behind(store: Store, folder: str) -> bool:
    """Tell whether a folder's files are all old; a file system that keeps no times has none that is left behind."""
    try:
        newest = max(store.fs.modified(store.path(folder, name)).timestamp() for name in store.list(folder))
    except (NotImplementedError, FileNotFoundError):
        return False
    except ValueError:  # an empty folder
        return True
    return bool(time.time() - newest > _LEFT_BEHIND)


def _clean_incoming(root: Path | None) -> None:
    if root is None or not root.is_dir():
        return
    for folder in root.iterdir():
        files = [path for path in folder.rglob("*") if path.is_file()]
        newest = max((path.stat().st_mtime for path in files), default=0.0)
        if time.time() - newest > _LEFT_BEHIND and not is_held(folder):
            shutil.rmtree(folder, ignore_errors=True)
            logger.info("deleted what a fetch left behind in %s", folder)


def _place(store: Store, tables: Path, folder: str, marker: Mapping[str, Any]) -> None:
    """Make the files a snapshot of the store: in a local one with a single rename, elsewhere with the marker last."""
    store.delete(folder, recursive=True)  # without a marker it was never complete
    if not store.is_local:
        for file in FILES:
            store.fs.makedirs(store.path(folder), exist_ok=True)
            store.fs.put_file(str(tables / file), store.path(folder, file))
        store.write_json(f"{folder}/{MARKER}", marker)
        return
    for file in FILES:
        with (tables / file).open("rb") as written:
            os.fsync(written.fileno())
    Store(tables).write_json(MARKER, marker)
    target = Path(store.path(folder))
    target.parent.mkdir(parents=True, exist_ok=True)
    tables.rename(target)


def _marker(store: Store, name: str) -> dict[str, Any] | None:
    with suppress(FileNotFoundError):
        return dict(store.read_json(f"{folder_of(name)}/{MARKER}"))
    return None


def _publication(source: str, seen: Mapping[str, Validators]) -> dict[str, Any]:
    return {"source": source, "validators": dict(seen)}
