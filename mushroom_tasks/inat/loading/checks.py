"""What a load must pass before it takes the place of the last one: a damaged snapshot must not replace a good one.

require_plausible(counts, findings, IngestSettings(), last=last.counts, is_same_scope=True)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mushroom_tasks.errors import TableError
from mushroom_tasks.settings import IngestSettings

DAMAGED = "The snapshot is damaged or incomplete: fetch another."


@dataclass(frozen=True)
class TableCounts:
    """Rows of one table: in the file, kept, malformed (and quarantined), and repeating a key."""

    read: int
    kept: int
    malformed: int
    duplicates: int


def require_plausible(
    counts: Mapping[str, TableCounts],
    findings: Mapping[str, int],
    settings: IngestSettings,
    *,
    last: Mapping[str, Any] | None,
    is_same_scope: bool,
) -> None:
    """Compare a load with itself and with the counts of the last one; what is kept only where that had the same roots.

    Raises TableError that names all that is implausible, and the settings that would allow it.
    """
    faults = list(_orphans(counts, findings, settings.max_orphan_ratio))
    if last is not None:
        faults += _fewer(counts, last, "read", "rows in its file", "min_rows_ratio", settings.min_rows_ratio)
    if last is not None and is_same_scope:
        faults += _fewer(counts, last, "kept", "rows of the wanted taxa", "min_kept_ratio", settings.min_kept_ratio)
    if faults:
        raise TableError(
            f"this snapshot is not loaded: {'; '.join(faults)}. {DAMAGED} If it is right, change the named settings "
            "for one load."
        )


def _fewer(
    counts: Mapping[str, TableCounts],
    last: Mapping[str, Any],
    kind: Literal["read", "kept"],
    what: str,
    setting: str,
    least: float,
) -> Iterator[str]:
    for name, table in counts.items():
        now, before = getattr(table, kind), last[name][kind]
        if now < before * least:
            yield f"{name} has {now} {what}, the last load had {before}, less than ingest.{setting} = {least:g} allows"


def _orphans(counts: Mapping[str, TableCounts], findings: Mapping[str, int], most: float) -> Iterator[str]:
    for finding, what, of in (
        ("observations_of_missing_taxa", "observations name a taxon that is missing", counts["observations"].read),
        ("observations_without_photo", "observations of the wanted taxa have no photo", counts["observations"].kept),
        ("photos_without_observer", "photos of the wanted taxa have no observer", counts["photos"].kept),
    ):
        if findings[finding] > of * most:
            yield f"{findings[finding]} of {of} {what}, more than ingest.max_orphan_ratio = {most:g} allows"
