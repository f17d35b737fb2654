"""The store: one root on any file system fsspec knows, atomic writes, fingerprints.

Everything the workflow keeps lies under one root, a local folder or an address such as `s3://bucket/prefix`
(which needs the matching fsspec package). A file appears whole or not at all: on local disks it is written
under a temporary name and renamed, object stores publish an object when its upload completes. Threads may share a
store.

    store = Store("/data/store")
    store.write_bytes("photos/11/110.jpg", data)
    with store.open_atomic("datasets/ab12/dataset.json", "w") as f: ...
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import fsspec
from pydantic import BaseModel

from mushroom_tasks.errors import StorageError, StorageFull

FINGERPRINT_LENGTH = 16
_HASH_BLOCK = 1 << 20
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


def fingerprint(kind: str, **inputs: Any) -> str:
    """Return 16 hex digits that change when any input does.

    Inputs are pydantic models, mappings, sequences, strings, numbers, booleans or None. Addresses and times do
    not belong in a fingerprint: the same content from another mirror must give the same one.
    """
    text = json.dumps({"kind": kind, "inputs": inputs}, sort_keys=True, default=_plain, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_LENGTH]


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, tuple):
        return list(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"no fingerprint can be made of a {type(value).__name__}. Received: {value!r}")


class Store:
    """Files under one root, addressed by paths relative to it.

    Parameters
    ----------
    root
        A local folder, or an address with a protocol fsspec knows (`s3://`, `gs://`, `memory://`).
    """

    def __init__(self, root: str | Path) -> None:
        self.root = str(root)
        try:
            self.fs, self._base = fsspec.core.url_to_fs(self.root)
        except (ImportError, ValueError) as error:
            raise StorageError(
                f"the store root cannot be opened: {error}. Received: {self.root!r}. Use a folder, or install "
                "the fsspec package of that protocol (for example s3fs)."
            ) from error
        self.is_local = self.fs.protocol in ("file", "local") or "file" in self.fs.protocol

    def path(self, *parts: str) -> str:
        """Return the file system's own path of a relative one; refuses to leave the root."""
        relative = "/".join(part.strip("/") for part in parts)
        if ".." in relative.split("/"):
            raise StorageError(f"a path in the store may not contain '..'. Received: {relative!r}")
        return f"{self._base.rstrip('/')}/{relative}"

    def address(self, *parts: str) -> str:
        """Return the full address (with protocol where there is one), as XCom and MLflow carry it."""
        return self.path(*parts) if self.is_local else str(self.fs.unstrip_protocol(self.path(*parts)))

    def exists(self, path: str) -> bool:
        """Tell whether a file or folder is there."""
        return bool(self.fs.exists(self.path(path)))

    def size(self, path: str) -> int:
        """Return a file's size in bytes."""
        return int(self.fs.size(self.path(path)))

    def list(self, folder: str) -> list[str]:
        """Return the names directly in a folder, sorted; an empty list where the folder is missing."""
        with suppress(FileNotFoundError):
            found = self.fs.ls(self.path(folder), detail=False, refresh=True)
            return sorted(str(name).rstrip("/").rsplit("/", 1)[-1] for name in found)
        return []

    def read_bytes(self, path: str) -> bytes:
        """Return a file's content; FileNotFoundError where it is missing."""
        return bytes(self.fs.cat_file(self.path(path)))

    def read_json(self, path: str) -> Any:
        """Return a parsed JSON file."""
        return json.loads(self.read_bytes(path))

    def open(self, path: str, mode: str = "rb") -> IO[Any]:
        """Open a file for reading."""
        if mode not in ("r", "rb"):
            raise StorageError(f"open only reads; write with open_atomic. Received mode: {mode!r}")
        return self.fs.open(self.path(path), mode)  # type: ignore[no-any-return]

    @contextmanager
    def open_atomic(self, path: str, mode: str = "wb") -> Iterator[IO[Any]]:
        """Write a file that appears under its name only when the block ends without an error.

        Raises StorageFull where no space is left; what was there before stays.
        """
        target = self.path(path)
        temporary = f"{target}.{uuid.uuid4().hex[:8]}.part" if self.is_local else target
        text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
        try:
            with full_disk_named(target):
                self.fs.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
                if self.is_local:
                    with open(temporary, mode, **text) as file:  # type: ignore[call-overload]
                        yield file
                        file.flush()
                        os.fsync(file.fileno())
                    Path(temporary).replace(target)
                else:
                    # Not fsspec's transaction: there is one per file system, so two writers would end each other's.
                    with tempfile.NamedTemporaryFile(mode, **text) as file:  # type: ignore[call-overload]
                        yield file
                        file.flush()
                        self.fs.put_file(file.name, target)
        except BaseException:
            if self.is_local:
                with suppress(OSError):
                    Path(temporary).unlink()
            raise

    def write_bytes(self, path: str, data: bytes) -> None:
        """Write a whole file atomically."""
        with self.open_atomic(path) as file:
            file.write(data)

    def write_text(self, path: str, text: str) -> None:
        """Write a whole text file (UTF-8) atomically."""
        self.write_bytes(path, text.encode())

    def write_json(self, path: str, value: Any) -> None:
        """Write a JSON file atomically, keys sorted."""
        self.write_text(path, json.dumps(value, indent=2, sort_keys=True, default=_plain) + "\n")

    def delete(self, path: str, *, recursive: bool = False) -> None:
        """Remove a file, or a folder with `recursive`; silent where it is missing."""
        with suppress(FileNotFoundError):
            self.fs.rm(self.path(path), recursive=recursive)

    def local(self, path: str, cache: Path) -> Path:
        """Return a local path with the file's content, copied into `cache` where the store is remote."""
        if self.is_local:
            return Path(self.path(path))
        target = cache / path
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}.part")
            self.fs.get_file(self.path(path), str(temporary))
            temporary.replace(target)
        return target

    def upload_folder(self, local: Path, folder: str, *, marker: str) -> None:
        """Copy a local folder's files into the store, the `marker` file last.

        A reader takes the folder as complete when the marker is there, so a killed copy is never mistaken for one.
        """
        files = sorted(p for p in local.rglob("*") if p.is_file())
        for file in sorted(files, key=lambda p: p.name == marker):
            with self.open_atomic(f"{folder}/{file.relative_to(local).as_posix()}") as out, file.open("rb") as src:
                while block := src.read(_HASH_BLOCK):
                    out.write(block)


@contextmanager
def full_disk_named(target: str) -> Iterator[None]:
    """Turn "no space left" and "quota exceeded" into StorageFull that names what was being written."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_SPACE:
            raise
        raise StorageFull(
            f"no space left while writing {target}. Free some space or point MUSHROOM_STORE_ROOT elsewhere, "
            "then run this again: what was finished is kept."
        ) from error


def sha256_file(path: Path) -> str:
    """Return a local file's sha256 as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
