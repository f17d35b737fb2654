"""Archives of a bucket's tables, as iNaturalist publishes them below `metadata/`, or nearly so."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

from isal import igzip

from mushroom_tasks.inat.tables import FILES

DATE = "20250927"
NAME = f"inaturalist-open-data-{DATE}.tar.gz"
FOLDER = f"inaturalist-open-data-{DATE}"
Members = list[tuple[tarfile.TarInfo, bytes]]


def members_of(folder: Path, *, packed: bool = False, prefix: str = f"{FOLDER}/") -> Members:
    members = [(member(f"{prefix}", kind=tarfile.DIRTYPE), b"")] if prefix else []
    for name in FILES:
        data = (folder / name).read_bytes()
        members.append((member(f"{prefix}{name if packed else name[:-3]}"), data if packed else gzip.decompress(data)))
    return members


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def tar_of(members: Members) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return target.getvalue()


def write_archive(bucket: Path, members: Members | bytes, name: str = NAME) -> Path:
    data = members if isinstance(members, bytes) else igzip.compress(tar_of(members))
    path = bucket / "metadata" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path
