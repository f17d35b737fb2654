"""Where a source of photos may point to: its own files, and nothing else of this machine or of the web.

    own_address("file:///etc/hostname::hf://datasets/owner/mushrooms/x.zip", "owner/mushrooms", None)      # None
    data = read_regular(Path("photos/a.jpg"), max_bytes=30_000_000)

Addresses come from files of strangers. In a chain of fsspec ("zip://a.jpg::hf://...") the first part is what is opened,
and each part lies within the next; so every part counts, not only the one that names the data set.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from urllib.parse import unquote

from mushroom_tasks.errors import PhotoError
from mushroom_tasks.imports.item import read_at_most

# These read members of the file behind them; what else fsspec knows opens files and addresses of its own.
_MEMBER = re.compile(r"(zip|tar|gzip)://.+", re.DOTALL)


def own_address(address: str, name: str, folder: Path | None) -> str | Path | None:
    """Return what to open for an address within a data set, None where it leads elsewhere.

    Parameters
    ----------
    address
        A path, an hf:// address, or a chain of members of archives (zip, tar, gzip) that ends in one of these.
    name
        Of the data set at the hub.
    folder
        Of a data set on this machine, None for one at the hub. Relative paths are below it.

    Returns a Path for a regular file of the folder, links resolved, and text for fsspec otherwise.
    """
    *members, base = address.split("::")
    if not all(_MEMBER.fullmatch(member) for member in members):
        return None
    own = _of_hub(base, name) if folder is None else _in_folder(base, folder)
    if own is None or not members:
        return own
    last = own if isinstance(own, str) else f"file://{own}"
    return None if "::" in last else "::".join([*members, last])


def read_regular(path: Path, max_bytes: int) -> bytes:
    """Return the content of a regular file that is no link; raises PhotoError (`not_a_file`, `too_large`), OSError."""
    # Opened before it is looked at, so that it cannot be another by then; NONBLOCK: a pipe would wait for ever.
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise PhotoError("not_a_file", f"{path.name} is no regular file")
        with open(opened, "rb", closefd=False) as file:
            return read_at_most(file.read(max_bytes + 1), max_bytes)
    finally:
        os.close(opened)


def _of_hub(base: str, name: str) -> str | None:
    # "hf://datasets/a/b" is data set b of a: a name without an owner ends at the revision only.
    end = "[@/]" if "/" in name else "@"
    # HTTP clients resolve "..", and so would leave the data set.
    is_own = re.fullmatch(rf"hf://datasets/{re.escape(name)}{end}.+", base, re.DOTALL)
    return base if is_own and ".." not in re.split(r"[/\\@]", unquote(base)) else None


def _in_folder(base: str, folder: Path) -> Path | None:
    # realpath: Path.resolve raises RuntimeError for links in a circle.
    root, path = os.path.realpath(folder), Path(os.path.realpath(folder / base.removeprefix("file://")))
    if not path.is_relative_to(root) or not folder.is_dir():
        return None
    # Opening a pipe waits, and opening a device acts. What is not there at all is a photo that is missing.
    return path if path.is_file() or not path.exists() else None
