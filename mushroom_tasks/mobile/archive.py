"""A bundle as one zip, and what comes out of a zip from anywhere.

The zip holds the files of the bundle's folder and nothing else, sorted, with a fixed time: the same bundle gives the
same bytes. Models are stored as they are, so that an app can map them out of the zip, the rest is deflated.

A zip from elsewhere may try to write outside its folder, fill the disk or link to other files. So only plain names
are taken, no folders, links or encrypted entries, nothing twice, and nothing that is larger than it says.

    pack(Path("bundle"), Path("mushroom-ab12.zip"))
    with opened(Path("mushroom-ab12.zip")) as bundle:       # a folder will do, too
        bundle.model("int8")
"""

from __future__ import annotations

import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mushroom_tasks.errors import BundleError
from mushroom_tasks.mobile.bundle import MARKER, Bundle, read_bundle
from mushroom_tasks.storage import Store, full_disk_named

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can name
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_MOST_FILES = 64
_MOST_BYTES = 2 << 30
_UNIX = 3  # the system that made an entry, where its attributes are a file mode
_ENCRYPTED = 0x1


def pack(folder: Path, out: Path) -> None:
    """Write a bundle's folder as a zip; it appears whole or not at all.

    Raises BundleError where the folder holds no complete bundle, StorageFull where no space is left.
    """
    names = sorted([MARKER, *read_bundle(folder).manifest.files])
    with Store(out.parent).open_atomic(out.name) as file, zipfile.ZipFile(file, "w") as archive:
        for name in names:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(".tflite") else zipfile.ZIP_DEFLATED
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            entry.create_system = _UNIX  # as on every other machine
            with (folder / name).open("rb") as source, archive.open(entry, "w", force_zip64=False) as target:
                shutil.copyfileobj(source, target)


@contextmanager
def opened(path: Path) -> Iterator[Bundle]:
    """Give the bundle in a folder, or in a zip, which is unpacked as long as the block runs.

    Raises BundleError where there is none, or it is damaged; for a zip also where it is not as `pack` writes it.
    """
    if not path.is_file():
        yield read_bundle(path)
        return
    with tempfile.TemporaryDirectory(prefix="mushroom-bundle-", ignore_cleanup_errors=True) as folder:
        unpack(path, Path(folder))
        if not Path(folder, MARKER).exists():
            # Or it was cut off: the last model in it ends in a zip of its own, which is then taken for the whole.
            raise BundleError(f"{path} is no zip of a bundle, or is damaged: {MARKER} is missing. Copy it again.")
        yield read_bundle(Path(folder))


def unpack(path: Path, folder: Path) -> None:
    """Write the files of a zip into a folder that is there.

    Raises BundleError where the zip is damaged, or has anything that a bundle has not; nothing is written then but
    what was found to be sound before.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check(path, archive.infolist())
            for entry in archive.infolist():
                _take(archive, entry, folder / entry.filename)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise BundleError(f"{path} is no zip of a bundle, or is damaged: {error}. Copy it again.") from error


def _take(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, out: Path) -> None:
    # A reader of `zipfile` gives no more than the size that the entry tells, and checks the CRC at its end.
    with full_disk_named(str(out)), archive.open(entry) as source, out.open("xb") as target:
        shutil.copyfileobj(source, target)


def _check(path: Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    names = [entry.filename for entry in entries]
    wrong = [repr(entry.filename) for entry in entries if not _is_plain(entry)]
    size = sum(entry.file_size for entry in entries)
    if wrong or len({name.casefold() for name in names}) < len(names):
        raise BundleError(
            f"{path} is no zip of a bundle: it holds plain files of its own folder, each once. Received: "
            f"{', '.join(wrong or names)[:500]}. Use a zip that `mushroom` wrote."
        )
    if len(entries) > _MOST_FILES or size > _MOST_BYTES:
        raise BundleError(
            f"{path} is no zip of a bundle: it would unpack to {len(entries)} files of {size} bytes, more than "
            f"{_MOST_FILES} files or {_MOST_BYTES} bytes. Use a zip that `mushroom` wrote."
        )


def _is_plain(entry: zipfile.ZipInfo) -> bool:
    mode = entry.external_attr >> 16
    is_file = entry.create_system != _UNIX or stat.S_IFMT(mode) in (0, stat.S_IFREG)
    return bool(is_file and _PLAIN.fullmatch(entry.filename) and not entry.flag_bits & _ENCRYPTED)
