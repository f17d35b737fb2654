"""A Hugging Face image data set: a folder or file on this machine, or a name at the hub.

    source = HuggingFaceSource("owner/mushrooms", Columns(label="species", credit="photographer"))
    for item in source.items(max_bytes=30_000_000): ...

Needs the library `datasets` (extra `huggingface`). Rows are streamed: a row group of a Parquet file is in memory at a
time, whatever the size of the data set. No code of a data set is ever run: `datasets` 5 reads files only, and photos
are handed on as bytes, not decoded there. What a row may point to is bounded too: bytes within the row, or a file of
the data set itself. HF_HUB_OFFLINE=1 keeps it from asking the hub.
"""

from __future__ import annotations

import lzma
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mushroom_tasks.errors import ImportFailed, PhotoError
from mushroom_tasks.imports.item import Item, day_of, degrees_of, read_at_most, scientific_name
from mushroom_tasks.imports.own_files import own_address, read_regular

if TYPE_CHECKING:
    from datasets import Features, IterableDataset
    from pyarrow.dataset import ParquetFragmentScanOptions

SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
_BUFFER = 1 << 20  # bytes read at once of a column
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
# What archives raise that are damaged, encrypted or packed in a way that Python cannot read.
_DAMAGED = (RuntimeError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError)
_INSTALL = "The library `datasets` is missing. Install the extra `huggingface`, see docs/imports.md."


@dataclass(frozen=True)
class Columns:
    """Names of a data set's columns; empty where it has none. The image's and the label's are found by type."""

    image: str = ""
    label: str = ""
    observer: str = ""
    observation: str = ""
    license: str = ""
    credit: str = ""
    date: str = ""
    latitude: str = ""
    longitude: str = ""

    def named(self) -> dict[str, str]:
        """Return the columns that are named, by what they hold."""
        return {role: name for role, name in vars(self).items() if name}


class HuggingFaceSource:
    """One data set.

    Parameters
    ----------
    name
        A folder in a layout that `datasets` reads (Parquet files, image folder), a Parquet file, or a hub name.
    columns
        What its columns hold.
    configuration, revision
        Of a data set at the hub that has several.
    """

    def __init__(self, name: str, columns: Columns, configuration: str | None = None, revision: str | None = None):
        self._folder = Path(name).expanduser().absolute() if Path(name).expanduser().exists() else None
        if self._folder is None and not _HUB_NAME.fullmatch(name):
            raise ImportFailed(f"that is neither a folder, a Parquet file, nor a name at the hub. Received: {name!r}")
        self._name, self._columns = name, columns
        self._configuration, self._revision = configuration, revision

    def items(self, max_bytes: int) -> Iterator[Item]:
        """Yield the rows of every split as items.

        Raises ImportFailed where the data set cannot be read, or its columns are not those that were named.
        """
        with _explained(self._name):
            for split, rows in sorted(self._open().items()):
                features = rows.features or rows._resolve_features().features
                columns = _found(self._columns, features)
                yield from self._rows(str(split), rows, columns, features, max_bytes)

    def _open(self) -> Mapping[Any, IterableDataset]:
        try:
            import datasets
        except ImportError as error:
            raise ImportFailed(_INSTALL) from error
        if self._folder is None:
            builder = datasets.load_dataset_builder(self._name, self._configuration, revision=self._revision)
        elif self._folder.is_file():
            builder = datasets.load_dataset_builder("parquet", data_files=str(self._folder))
        else:
            builder = datasets.load_dataset_builder(str(self._folder), self._configuration)
        if hasattr(builder.config, "fragment_scan_options"):
            builder.config.fragment_scan_options = _read_in_pieces()
        return dict(builder.as_streaming_dataset())

    def _rows(
        self, split: str, rows: IterableDataset, columns: Columns, features: Features, max_bytes: int
    ) -> Iterator[Item]:
        import datasets

        rows = rows.select_columns(sorted(set(columns.named().values())))
        if isinstance(features[columns.image], datasets.Image):
            rows = rows.cast_column(columns.image, datasets.Image(decode=False))
        species = _label_reader(columns.label, features[columns.label])
        for number, row in enumerate(rows):
            said = {role: _text(row[name]) for role, name in columns.named().items() if role not in ("image", "label")}
            yield Item(
                name=f"{split}/{number}",
                species=species(row[columns.label]),
                read=partial(self._read, row[columns.image], f"{split}/{number}", max_bytes),
                license=said.get("license", ""),
                credit=said.get("credit", "") or said.get("observer", ""),
                observer=said.get("observer", ""),
                observation=said.get("observation", ""),
                split=SPLITS.get(split.lower()),
                observed_on=day_of(said.get("date", "")),
                latitude=degrees_of(said.get("latitude", ""), 90),
                longitude=degrees_of(said.get("longitude", ""), 180),
            )

    def _read(self, image: Any, name: str, max_bytes: int) -> bytes:
        if isinstance(image, bytes):
            return read_at_most(image, max_bytes)
        held = image if isinstance(image, Mapping) else {}
        if isinstance(held.get("bytes"), bytes):
            return read_at_most(held["bytes"], max_bytes)
        path = held.get("path")
        if not isinstance(path, str) or not path:
            raise PhotoError("missing", f"row {name} holds no photo")
        return self._read_file(path, name, max_bytes)

    def _read_file(self, path: str, name: str, max_bytes: int) -> bytes:
        import fsspec

        try:
            # A Parquet file of a stranger may name any file of this machine.
            own = own_address(path, self._name, self._folder)
            if own is None:
                raise PhotoError("not_a_file", f"row {name} points outside the data set, or to no file: {path!r}")
            if isinstance(own, Path):
                return read_regular(own, max_bytes)
            with fsspec.open(own, "rb", expand=False) as file:
                return read_at_most(file.read(max_bytes + 1), max_bytes)
        except FileNotFoundError as error:
            raise PhotoError("missing", f"row {name}: no such file: {path!r}") from error
        except (OSError, ValueError, *_DAMAGED) as error:
            raise PhotoError("unreadable", f"row {name}: {error}") from error


def _read_in_pieces() -> ParquetFragmentScanOptions:
    """Return how Parquet files are read: by default Arrow keeps what it has read ahead until the end of the file."""
    from pyarrow.dataset import ParquetFragmentScanOptions

    return ParquetFragmentScanOptions(use_buffered_stream=True, buffer_size=_BUFFER, pre_buffer=False)


def _found(columns: Columns, features: Features) -> Columns:
    """Return the columns with image and label found by their types where they are not named."""
    import datasets

    image = columns.image or _only(features, lambda kind: isinstance(kind, datasets.Image), "image")
    label = columns.label or _only(features, lambda kind: isinstance(kind, datasets.ClassLabel), "label")
    found = Columns(**{**vars(columns), "image": image, "label": label})
    if missing := sorted(set(found.named().values()) - set(features)):
        raise ImportFailed(f"the data set has no columns {missing}. It has: {sorted(features)}")
    return found


def _only(features: Features, is_kind: Callable[[Any], bool], role: str) -> str:
    found = [str(name) for name, kind in features.items() if is_kind(kind)]
    if len(found) == 1:
        return found[0]
    if not found and role in features:
        return role
    raise ImportFailed(
        f"which column holds the {role} cannot be told: name it with --{role}-column. There are: {dict(features)}"
    )


def _label_reader(name: str, kind: Any) -> Callable[[Any], str]:
    import datasets

    if isinstance(kind, datasets.ClassLabel):
        names = [scientific_name(each) for each in kind.names]
        # -1 marks rows without a label.
        return lambda value: names[value] if isinstance(value, int) and 0 <= value < len(names) else ""
    if isinstance(kind, datasets.Value) and kind.dtype in ("string", "large_string"):
        return lambda value: scientific_name(_text(value))
    raise ImportFailed(f"the column {name!r} holds no names of species, but {kind}. Name another with --label-column.")


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what the libraries raise for a data set that cannot be read into one error."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
        # `datasets` names its errors after FileNotFoundError, ValueError and RuntimeError; pyarrow's are ValueErrors.
        offline = " HF_HUB_OFFLINE is set." if os.environ.get("HF_HUB_OFFLINE") else ""
        raise ImportFailed(f"the data set {name} cannot be read: {type(error).__name__}: {error}.{offline}") from error
