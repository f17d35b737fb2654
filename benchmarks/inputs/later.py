"""The next month's snapshot of a bucket: a share of its photos added, withdrawn and put under another licence.

changed = publish_later(Path("/tmp/bucket"), share=0.01)
changed.added, changed.withdrawn, changed.relicensed
"""

from __future__ import annotations

import gzip
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_RELICENSED = "CC-BY-ND"  # an open licence that the made-up snapshot does not give


@dataclass(frozen=True)
class Changed:
    """How many rows of the photos' table differ, by what became of them."""

    rows: int
    added: int
    withdrawn: int
    relicensed: int


def publish_later(folder: Path, share: float, seed: int = 2) -> Changed:
    """Replace a bucket's photos table by one in which that share of rows is changed, a third of them in each way.

    An added photo is one more of an observation that is there.
    """
    path = folder / "photos.csv.gz"
    header, *lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    columns = {name: number for number, name in enumerate(header.split("\t"))}
    rows = len(lines)
    drawn = np.random.default_rng(seed).permutation(rows)[: round(share * rows)]
    added, withdrawn, relicensed = np.array_split(drawn, 3)
    next_id = max(int(line.split("\t")[columns["photo_id"]]) for line in lines) + 1
    for nth, number in enumerate(added):
        row = lines[number].split("\t")
        row[columns["photo_id"]] = str(next_id + nth)
        row[columns["photo_uuid"]] = str(uuid.uuid5(uuid.NAMESPACE_OID, row[columns["photo_id"]]))
        lines.append("\t".join(row))
    for number in relicensed:
        row = lines[number].split("\t")
        row[columns["license"]] = _RELICENSED
        lines[number] = "\t".join(row)
    gone = set(withdrawn.tolist())
    kept = [line for number, line in enumerate(lines) if number not in gone]
    new = path.with_suffix(".new")
    new.write_bytes(gzip.compress("\n".join([header, *kept, ""]).encode(), compresslevel=6, mtime=0))
    new.replace(path)
    return Changed(rows, len(added), len(withdrawn), len(relicensed))
