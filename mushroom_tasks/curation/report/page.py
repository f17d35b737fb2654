"""The page of a report: one HTML file that needs nothing else, for people who know mushrooms and not statistics.

MLflow shows it in a frame that can load nothing, not even the pictures beside it, so all are within the page. Texts
come from strangers: the template escapes each of them, and the page's own policy lets no script run but its own.

    store.write_text("reports/ab12/report.html", page(content, images, drawn_map, about))
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from mushroom_tasks.curation import reasons
from mushroom_tasks.curation.dataset.attribution import taxon_url
from mushroom_tasks.curation.report import SHEETS, curve_drawing
from mushroom_tasks.curation.report.choosing import GROUPS
from mushroom_tasks.curation.report.content import ClassContent, ReportContent
from mushroom_tasks.curation.report.facts import Facts, Rows
from mushroom_tasks.curation.report.outcomes import Outcome, credit_of, outcome_of, spoken
from mushroom_tasks.curation.report.plane import Plane
from mushroom_tasks.escaping import plain
from mushroom_tasks.manifests import QUALITY_ISSUES

_FOLDER = Path(__file__).parent
_MOST_OPEN = 30  # species; with more, their sections are closed at first
_MOST_WATCHED = 8
_KINDS = ("kept", "pruned", "doubt")
_MAP_SIZE = (1000, 640)


@dataclass(frozen=True)
class About:
    """What the page says of its own making: the pruned manifest's fingerprint, and the settings as (name, value).

    `fixed_eps` is the one that the settings name for all classes; None where each has its own.
    """

    fingerprint: str
    settings: Sequence[tuple[str, str]]
    fixed_eps: float | None


@dataclass(frozen=True)
class DrawnMap:
    """The map, and the picture of it that is made of photos (a JPEG)."""

    plane: Plane
    photos: bytes | None


@dataclass(frozen=True)
class Card:
    """One photo on the page."""

    photo_id: int
    name: str
    image: str
    outcome: Outcome
    score: str
    photographer: str
    license: str
    link: str
    label: str  # what it is filed as, where that is not clear from its place
    likeness: str  # what it looks like


@dataclass(frozen=True)
class Count:
    """A code, in words and a sentence, and how many photos have it."""

    kind: str
    words: str
    sentence: str
    photos: int


def page(content: ReportContent, images: Mapping[int, bytes], drawn_map: DrawnMap | None, about: About) -> str:
    """Return the page as HTML.

    `images` has JPEGs by row, of those photos that the page may show.
    """
    addresses = {row: data_address(data, "image/jpeg") for row, data in images.items()}
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    between = curve_drawing.span(each.curve for each in content.classes if each.curve)
    return _template().render(
        about=replace(about, settings=[(name, plain(value)) for name, value in about.settings]),
        content=content,
        counts=_counts(content),
        watched=[each for each in content.by_attention() if each.notable][:_MOST_WATCHED],
        sections=[_section(content.facts, each, addresses, between) for each in content.classes],
        example=_example(content, between),
        is_open=len(content.classes) <= _MOST_OPEN,
        map=None if drawn_map is None else _map(content, drawn_map),
        suspects=[_suspect(content, int(row), addresses) for row in content.suspects if int(row) in addresses],
        twins=[_twins(content.facts, group, addresses) for group in content.twins],
        curve_field=curve_drawing,
        sheets=SHEETS,
        style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def data_address(data: bytes, kind: str) -> str:
    """Return an address that holds the data itself."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": lambda value: f"{value:,}", "share": _share, "taxon_url": taxon_url}
    return environment.get_template("page.html")


def _share(value: float) -> str:
    return "< 1 %" if 0 < value < 0.01 else f"{value:.0%}".replace("%", " %")


def _counts(content: ReportContent) -> dict[str, list[Count]]:
    """Return every code that occurs, in three groups: why kept, why pruned, why to look."""
    return {
        "kept": _counted("kept", reasons.KEPT, content.kept_as),
        "pruned": _pruned(content),
        "doubt": _counted("doubt", reasons.DOUBTS, content.doubts),
    }


def _counted(kind: str, sentences: Mapping[str, str], photos: Mapping[str, int]) -> list[Count]:
    return [
        Count(kind, spoken(code), sentence, photos[code]) for code, sentence in sentences.items() if photos.get(code)
    ]


def _pruned(each: ClassContent | ReportContent) -> list[Count]:
    """Return the reasons why photos are left out; of poor quality with what makes them poor, not all that may."""
    poor = " or ".join(f"{QUALITY_ISSUES[code]} ({photos:,})" for code, photos in each.poor_for.items())
    sentences = reasons.PRUNED | ({reasons.POOR_QUALITY: f"the photo {poor}"} if poor else {})
    return _counted("pruned", sentences, each.pruned_for)


def _section(
    facts: Facts, each: ClassContent, addresses: Mapping[int, str], between: curve_drawing.Span
) -> dict[str, Any]:
    groups = {name: [int(row) for row in rows if int(row) in addresses] for name, rows in each.shown.items()}
    return {
        "each": each,
        "pruned": _pruned(each),
        "kept": _counted("kept", reasons.KEPT, each.kept_as),
        "doubts": _counted("doubt", {c: s for c, s in reasons.DOUBTS.items() if c not in each.pruned_for}, each.doubts),
        "curve": curve_drawing.draw(each.curve, between) if each.curve and each.curve.distances else None,
        "groups": [(GROUPS[name], _cards(facts, rows, addresses)) for name, rows in groups.items() if rows],
        "has_sheet": any(len(rows) for rows in each.shown.values()),
    }


def _cards(facts: Facts, rows: Iterable[int], addresses: Mapping[int, str]) -> list[Card]:
    return [_card(facts, row, addresses) for row in rows]


def _card(facts: Facts, row: int, addresses: Mapping[int, str], *, label: str = "", likeness: str = "") -> Card:
    credit = credit_of(facts, row)
    return Card(
        photo_id=int(facts.photo_id[row]),
        name=facts.name(row),
        image=addresses.get(row, ""),
        outcome=outcome_of(facts, row),
        score=f"{facts.score[row]:.2f}",
        photographer=credit.photographer,
        license=credit.license,
        link=credit.link,
        label=label,
        likeness=likeness,
    )


def _suspect(content: ReportContent, row: int, addresses: Mapping[int, str]) -> Card:
    other = content.names.get(int(content.facts.suggested[row]), "another species")
    card = _card(content.facts, row, addresses, label=content.facts.name(row), likeness=other)
    return replace(card, score=_share(float(content.facts.label_score[row])))


def _twins(facts: Facts, group: Rows, addresses: Mapping[int, str]) -> list[Card]:
    is_across = len(np.unique(facts.taxon_id[group])) > 1
    return [_card(facts, row, addresses, label=facts.name(row) if is_across else "") for row in group.tolist()]


def _example(content: ReportContent, between: curve_drawing.Span) -> dict[str, Any] | None:
    """Return the class whose curve explains best what eps is: a usual share pruned, of many photos."""
    judged = [each for each in content.classes if each.curve and each.curve.distances and each.pruned]
    if not judged:
        return None
    middle = float(np.median([each.pruned_share for each in judged]))
    best = min(judged, key=lambda each: (round(abs(each.pruned_share - middle), 2), -each.photos, each.name))
    return {"each": best, "curve": curve_drawing.draw(best.curve, between) if best.curve else None}


def _map(content: ReportContent, drawn: DrawnMap) -> dict[str, Any]:
    plane, (width, height) = drawn.plane, _MAP_SIZE
    numbers = {each.taxon_id: number for number, each in enumerate(content.classes)}
    marks: Rows = np.argsort(plane.kinds, kind="stable")  # what is pruned or in doubt lies on top
    return {
        "size": _MAP_SIZE,
        "photos": data_address(drawn.photos, "image/jpeg") if drawn.photos else "",
        "is_sampled": len(plane.rows) < content.photos,
        "marks": [
            {
                "x": round(float(plane.places[mark, 0]) * width, 1),
                "y": round(float(plane.places[mark, 1]) * height, 1),
                "kind": _KINDS[int(plane.kinds[mark])],
                "number": numbers[int(plane.classes[mark])],
                "title": f"{content.names[int(plane.classes[mark])]}: "
                f"{outcome_of(content.facts, int(plane.rows[mark])).words}",
            }
            for mark in marks.tolist()
        ],
        "labels": [
            {"x": round(x * width), "y": round(y * height), "name": content.names[taxon], "number": numbers[taxon]}
            for taxon, (x, y) in plane.labels(content.names).items()
        ],
    }
