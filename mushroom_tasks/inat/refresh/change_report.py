"""The page that tells people what a load changed: totals, a picture, species, moves between species.

One HTML file that needs nothing else: MLflow shows it as it is, and it can be sent by mail. Names are escaped, for
they come from the data.

    store.write_text("loads/ab12/changes.html", changes_page(snapshot, found, species, picture))
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from datetime import UTC
from html import escape

import pyarrow as pa

from mushroom_tasks.db.models import Snapshot
from mushroom_tasks.escaping import plain
from mushroom_tasks.inat.refresh.changes import Changes, Move, Totals

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
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #2b2d33; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; } code { font-size: 0.9em; }
img { max-width: 100%; } .note { color: #6b7078; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.6rem; text-align: right; border-bottom: 1px solid #e4e1da; }
th { position: sticky; top: 0; background: #fff; } .name { text-align: left; font-style: italic; }
th.name { font-style: normal; } .zero { color: #b9bcc2; }
"""


def changes_page(snapshot: Snapshot, changes: Changes, species: pa.Table, picture: bytes) -> str:
    """Return the page as HTML.

    `species` has the schema `changes.SPECIES_CHANGES`, those with the most changes first; `picture` is a PNG.
    """
    image = base64.b64encode(picture).decode()
    title = f"Snapshot {snapshot.fingerprint} beside {changes.since}"
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{_STYLE}</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            _origin(snapshot),
            *_summary(changes.totals),
            f'<p><img alt="Changes per species" src="data:image/png;base64,{image}"></p>' if species.num_rows else "",
            *_species(species),
            *_moves(changes.moves),
            "</body></html>\n",
        ]
    )


def _origin(snapshot: Snapshot) -> str:
    moment = f"{snapshot.loaded_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    roots = ", ".join(str(taxon_id) for taxon_id in snapshot.root_taxa)
    return f'<p class="note">Loaded {moment} from {_text(snapshot.source)}, taxa below {roots}.</p>'


def _summary(totals: Totals) -> list[str]:
    if not (totals.added or totals.removed or totals.moved or totals.changed):
        return [f"<p>No photo differs: {totals.photos_after:,} photos before and now. {_renamed(totals)}</p>"]
    lines = [
        f"<b>{totals.photos_after:,} photos</b>, {totals.photos_before:,} before.",
        f"<b>{totals.added:,} added</b>, <b>{totals.removed:,} removed</b>: no observation has them any more.",
        f"<b>{totals.moved:,} moved</b> to another species, {totals.reclassified:,} of them because the taxonomy "
        "changed, the others because their observation is identified anew.",
        f"<b>{totals.changed:,} changed</b> within their species: {totals.relicensed:,} have another licence, "
        f"{totals.regraded:,} another quality grade; the others another place, date, position, file or observer.",
        f"{totals.species:,} species differ; {totals.species_gained:,} had no photo before, {totals.species_lost:,} "
        f"have none now. {totals.photos_without_species:,} of the photos above count for no species: their "
        "observations name a genus, a hybrid or an inactive taxon.",
        _renamed(totals),
    ]
    return ["<ul>", *(f"<li>{line}</li>" for line in lines), "</ul>"]


def _renamed(totals: Totals) -> str:
    return f"{totals.observers_renamed:,} observers have another name, and their photos another credit line."


def _species(species: pa.Table) -> list[str]:
    if not species.num_rows:
        return []
    rows = species.slice(0, _MOST_SPECIES).to_pylist()
    is_cut = species.num_rows > len(rows)
    return [
        "<h2>Species</h2>",
        f'<p class="note">The {len(rows)} with the most changes, of {species.num_rows:,}; all of them are in '
        "<code>changes.parquet</code> beside this page.</p>"
        if is_cut
        else "",
        *_table(("species", *_COUNTS.values()), ((row["scientific_name"], *(row[n] for n in _COUNTS)) for row in rows)),
    ]


def _moves(moves: Sequence[Move]) -> list[str]:
    if not moves:
        return []
    rows = ((f"{_end(m.from_name, m.from_taxon_id)} → {_end(m.to_name, m.to_taxon_id)}", m.photos) for m in moves)
    return ["<h2>Moves between species</h2>", *_table(("from → to", "photos"), rows)]


def _end(name: str | None, taxon_id: int | None) -> str:
    return "no species" if taxon_id is None else name or f"taxon {taxon_id}"


def _table(head: Sequence[str], rows: Iterable[tuple[str, *tuple[int, ...]]]) -> list[str]:
    cells = [f'<th class="name">{head[0]}</th>', *(f"<th>{name}</th>" for name in head[1:])]
    return ["<table><thead><tr>", *cells, "</tr></thead><tbody>", *(_row(row) for row in rows), "</tbody></table>"]


def _row(row: tuple[str, *tuple[int, ...]]) -> str:
    name, *counts = row
    cells = "".join(f"<td>{count:,}</td>" if count else '<td class="zero">0</td>' for count in counts)
    return f'<tr><td class="name">{_text(name)}</td>{cells}</tr>'


def _text(value: str) -> str:
    return escape(plain(value))
