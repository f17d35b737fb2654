"""The page that tells people what a load changed: totals, a picture, species, moves between species.

One HTML file (`change_report.html` is its template) that needs nothing else: MLflow shows it as it is, and it can be
sent by mail. Names are escaped, for they come from the data.

    store.write_text("loads/ab12/changes.html", changes_page(snapshot, found, species, picture))
"""

from __future__ import annotations

import base64
from datetime import UTC
from functools import cache
from pathlib import Path

import jinja2
import pyarrow as pa

from mushroom_tasks.db.models import Snapshot
from mushroom_tasks.escaping import plain
from mushroom_tasks.inat.refresh.changes import Changes, Move

_MOST_SPECIES = 500  # rows; the Parquet file beside the page has all
_COUNTS = {
    "photos_before": "before",
    "photos_after": "now",
    "added": "added",
    "removed": "removed",
    "moved_in": "moved in",
    "moved_out": "moved out",
    "changed": "changed",
    "relicensed": "relicensed",
    "regraded": "regraded",
}


def changes_page(snapshot: Snapshot, changes: Changes, species: pa.Table, picture: bytes) -> str:
    """Return the page as HTML.

    `species` has the schema `changes.SPECIES_CHANGES`, those with the most changes first; `picture` is a PNG.
    """
    shown = species.slice(0, _MOST_SPECIES).to_pylist()
    return _template().render(
        snapshot=snapshot,
        since=changes.since,
        loaded_at=f"{snapshot.loaded_at.astimezone(UTC):%Y-%m-%d %H:%M}",
        totals=changes.totals,
        picture=base64.b64encode(picture).decode(),
        head=["species", *_COUNTS.values()],
        species=[(row["scientific_name"], [row[name] for name in _COUNTS]) for row in shown],
        all_species=species.num_rows,
        moves=[(_ends(move), [move.photos]) for move in changes.moves],
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"count": lambda value: f"{value:,}", "plain": plain}
    return environment.get_template("change_report.html")


def _ends(move: Move) -> str:
    return f"{_end(move.from_name, move.from_taxon_id)} → {_end(move.to_name, move.to_taxon_id)}"


def _end(name: str | None, taxon_id: int | None) -> str:
    return "no species" if taxon_id is None else name or f"taxon {taxon_id}"
