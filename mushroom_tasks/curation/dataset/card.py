"""The data-set card: what a data set holds, how it was made, whose it is, and what it is not good for.

Plain Markdown. Names come from strangers: `escape_markdown` makes each of them text and nothing else, in Markdown and
in the HTML that is made of it.

    text = card_text(table, "ab12", inputs={}, settings={}, failures={"missing": 8}, decided_by={"ann": 12})
    store.write_text("datasets/ab12/README.md", text)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from mushroom_tasks.curation.counts import left_out_for, tally
from mushroom_tasks.curation.dataset.attribution import INATURALIST_SITE, license_of, photographer, taxon_url
from mushroom_tasks.curation.reasons import BY_PEOPLE, DOUBTS, PRUNED, SAME_PICTURE, VERDICTS
from mushroom_tasks.escaping import escape_markdown
from mushroom_tasks.identifiers import is_own
from mushroom_tasks.manifests import SPLITS

_PEOPLE_NAMED = 20
_LEFT_OUT = PRUNED | BY_PEOPLE


def card_text(
    rows: pa.Table,
    fingerprint: str,
    *,
    inputs: Mapping[str, Any],
    settings: Mapping[str, Any],
    failures: Mapping[str, int],
    decided_by: Mapping[str, int],
) -> str:
    """Return the card of a data set as Markdown.

    `rows` has the columns of `manifests.PRUNED`; `inputs` and `settings` are JSON-friendly; `failures` counts the
    photos that could not be had, by reason code; `decided_by` those that people decided on, by user name.
    """
    source = _source(rows, inputs)
    sections = (
        _summary(rows, fingerprint, source),
        _splits(rows, source),
        _pruning(rows),
        _decisions(rows, decided_by),
        _failures(failures),
        _licences(rows),
        _photographers(rows),
        _how(inputs, settings, source),
        _LIMITS.format(**source._asdict()),
        _species(rows),
    )
    return "\n\n".join(sections) + "\n"


_LIMITS = """\
## Limits

- **No advice on consumption.** Nothing here, and nothing made from it, tells whether a mushroom can be eaten.
- Species names are {names}. Some are wrong: photos that resemble another species are marked in the manifest, and kept
  unless somebody decides otherwise.
- Pruning is automatic where nobody has decided. It keeps some photos that show nothing useful and drops some rare but
  true looks of a species; pruned photos stay in the manifest, flagged.
- People photograph what is near, large and pretty: places, seasons and species are not evenly covered, and the counts
  say nothing about how common a species is.
- {splits} Photos of one place or one day may be in several.
- Coordinates are {coordinates}."""


class _Source(NamedTuple):
    """What the card says that depends on where the photos come from."""

    place: str
    made: str
    names: str
    splits: str
    coordinates: str


_INATURALIST = _Source(
    place=f"at [iNaturalist]({INATURALIST_SITE})",
    made="Selected from iNaturalist's open data, downloaded and checked",
    names="the community's identifications at iNaturalist",
    splits="All photos of one observer are in one split.",
    coordinates="those iNaturalist publishes; for threatened species it hides the true ones",
)


def _source(rows: pa.Table, inputs: Mapping[str, Any]) -> _Source:
    if not is_own(pc.min(rows["photo_id"]).as_py()):
        return _INATURALIST
    origin = escape_markdown(str(inputs.get("origin", "another source")))
    return _Source(
        place=f"of another source ({origin})",
        made=f"Taken in from another source ({origin}) and checked",
        names="those of the source",
        splits="The source's own splits are kept. Where it has none, all photos of one observer are in one split; "
        "where it does not say who took a photo, those of one observation, or each by itself.",
        coordinates="those of the source",
    )


def _summary(rows: pa.Table, fingerprint: str, source: _Source) -> str:
    pruned = pc.sum(rows["is_outlier"]).as_py()
    return (
        f"# Data set {fingerprint}\n\n"
        f"{rows.num_rows:,} photos of {_distinct(rows, 'scientific_name'):,} species, from "
        f"{_distinct(rows, 'observation_uuid'):,} observations by {_distinct(rows, 'observer_id'):,} observers "
        f"{source.place}. {rows.num_rows - pruned:,} are kept, {pruned:,} are flagged as pruned.\n\n"
        "`pruned.parquet` has one row per photo, `attribution.csv` the credit line of each, `species.json` the "
        "species, `dataset.json` the counts for programs, `overview.png` the species at a glance."
    )


def _splits(rows: pa.Table, source: _Source) -> str:
    lines = []
    for split in SPLITS:
        part = rows.filter(pc.equal(rows["split"], split))
        pruned = pc.sum(part["is_outlier"]).as_py() or 0
        species, observers = _distinct(part, "scientific_name"), _distinct(part, "observer_id")
        lines.append((split, part.num_rows, part.num_rows - pruned, pruned, species, observers))
    header = ("Split", "Photos", "Kept", "Pruned", "Species", "Observers")
    return f"## Splits\n\n{source.splits}\n\n{_table(header, lines)}"


def _pruning(rows: pa.Table) -> str:
    title = "## Pruned photos\n\n"
    counts = tally(left_out_for(rows).drop_null())
    lines = [(escape_markdown(reason), _LEFT_OUT[reason], count) for reason, count in counts.items()]
    return title + (_table(("Reason", "Meaning", "Photos"), lines) if lines else "None.")


def _decisions(rows: pa.Table, decided_by: Mapping[str, int]) -> str:
    title = "## Photos that people looked at\n\n"
    verdicts = tally(rows["decision"].drop_null())
    if verdicts:
        lines = [(escape_markdown(verdict), VERDICTS[verdict], count) for verdict, count in verdicts.items()]
        title += f"{_table(('Verdict', 'The photo', 'Photos'), lines)}\n\nDecided by {_named(decided_by)}.\n\n"
    else:
        title += "None.\n\n"
    is_settled = pc.or_(pc.is_valid(rows["decision"]), pc.fill_null(pc.equal(left_out_for(rows), SAME_PICTURE), False))
    waiting = tally(rows.filter(pc.invert(is_settled))["doubt"].drop_null())
    doubts = [(escape_markdown(doubt), DOUBTS[doubt], count) for doubt, count in waiting.items()]
    if not doubts:
        return title + "No other photo is in doubt."
    return f"{title}Others are in doubt:\n\n{_table(('Doubt', 'Meaning', 'Photos'), doubts)}"


def _failures(failures: Mapping[str, int]) -> str:
    title = "## Photos that could not be had\n\n"
    counted = [(escape_markdown(reason), count) for reason, count in sorted(failures.items()) if count]
    return title + (_table(("Reason", "Photos"), counted) if counted else "None.")


def _licences(rows: pa.Table) -> str:
    lines = []
    for code, count in tally(rows["license"]).items():
        licence = license_of(code)
        lines.append((f"[{licence.short}]({licence.url})", licence.name, count))
    return (
        "## Licences\n\n"
        "Each photo keeps its own licence and photographer. Whoever passes photos on credits them as "
        "`attribution.csv` does. NC: no commercial use; ND: no changed copies; SA: share alike. iNaturalist asks that "
        "its data earn no money.\n\n" + _table(("Licence", "Name", "Photos"), lines)
    )


def _photographers(rows: pa.Table) -> str:
    grouped = rows.group_by("observer_id").aggregate([("observer_name", "max"), ("login", "max"), ([], "count_all")])
    people = sorted(grouped.to_pylist(), key=lambda row: (-row["count_all"], row["observer_id"]))
    named = [
        f"{escape_markdown(photographer(row['observer_name_max'], row['login_max']))} ({row['count_all']:,})"
        for row in people[:_PEOPLE_NAMED]
    ]
    others = len(people) - len(named)
    rest = f"; and {others:,} more, all in `attribution.csv`" if others else ""
    return f"## Photographers\n\nWith thanks to {', '.join(named)}{rest}."


def _how(inputs: Mapping[str, Any], settings: Mapping[str, Any], source: _Source) -> str:
    return (
        "## How it was made\n\n"
        f"{source.made}, looked at by a pretrained network, pruned species by species (people's "
        "support and DBSCAN on its features), and put before people, whose decisions stand above the rules.\n\n"
        f"Inputs:\n\n{_json(inputs)}\n\nSettings:\n\n{_json(settings)}"
    )


def _species(rows: pa.Table) -> str:
    keys = ["scientific_name", "taxon_id"]
    grouped = rows.group_by([*keys, "split", "is_outlier"]).aggregate([([], "count_all")])
    counts: dict[tuple[str, int], dict[str, int]] = {}
    for row in grouped.to_pylist():
        count = counts.setdefault((row["scientific_name"], row["taxon_id"]), dict.fromkeys(("pruned", *SPLITS), 0))
        count[row["split"]] += row["count_all"]
        count["pruned"] += row["count_all"] if row["is_outlier"] else 0
    lines: list[tuple[str | int, ...]] = []
    for (name, taxon_id), count in sorted(counts.items()):
        splits = [count[split] for split in SPLITS]
        page = taxon_url(taxon_id)
        link = f"[{escape_markdown(name)}]({page})" if page else escape_markdown(name)
        lines.append((link, sum(splits), sum(splits) - count["pruned"], count["pruned"], *splits))
    header = ("Species", "Photos", "Kept", "Pruned", *(split.capitalize() for split in SPLITS))
    return f"## Species\n\n{_table(header, lines)}"


def _named(people: Mapping[str, int]) -> str:
    ordered = sorted(people.items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"{escape_markdown(name)} ({count:,})" for name, count in ordered[:_PEOPLE_NAMED])
    others = len(ordered) - _PEOPLE_NAMED
    return f"{named}; and {others:,} more people" if others > 0 else named


def _distinct(rows: pa.Table, column: str) -> int:
    return int(pc.count_distinct(rows[column]).as_py())


def _json(value: Mapping[str, Any]) -> str:
    # Every line of indented JSON starts with a blank, a brace or a quote, so none can close the fence.
    return f"```json\n{json.dumps(value, indent=2, sort_keys=True)}\n```"


def _table(header: Sequence[str], lines: Sequence[Sequence[str | int]]) -> str:
    texts = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in line] for line in lines]
    rule = ["---:" if isinstance(cell, int) else "---" for cell in lines[0]]
    return "\n".join(f"| {' | '.join(row)} |" for row in ([*header], rule, *texts))
