"""The page: complete in itself, readable without scripts, and safe whatever names the data hold."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from report_rows import FLY_AGARIC, HOSTILE, PENNY_BUN, mixed

from mushroom_tasks.curation.report.content import Curve, ReportContent, read_content
from mushroom_tasks.curation.report.facts import Facts
from mushroom_tasks.curation.report.outcomes import kinds
from mushroom_tasks.curation.report.page import About, DrawnMap, page
from mushroom_tasks.curation.report.plane import Plane

VOID = {"meta", "img", "input", "link", "br", "line", "polyline", "polygon", "circle", "path"}


class _Page(HTMLParser):
    """Collects tags, and fails where they do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def content() -> ReportContent:
    curves = {FLY_AGARIC: Curve((0.1, 0.2, 0.9), 0.5, 40), PENNY_BUN: Curve((0.1, 0.3), 0.6, 20)}
    return read_content(Facts(mixed()), curves, [], photos_per_class=12, max_photos=1_000)


@pytest.fixture(scope="module")
def html(content: ReportContent) -> str:
    facts = content.facts
    rows = np.arange(content.photos)
    places = np.random.default_rng(0).random((len(rows), 2))
    drawn = DrawnMap(Plane(rows, places, kinds(facts), facts.taxon_id), b"picture")
    images = dict.fromkeys(content.rows_of_page(1000), b"photo")
    return page(content, images, drawn, About("0123456789abcdef", [("pruning.eps", HOSTILE)], None))


def test_page__tags_nest_and_ids_are_unique(html: str) -> None:
    parsed = _Page(html)
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]

    assert parsed.open == []
    assert len(ids) == len(set(ids))


def test_page__names_from_strangers_are_text(html: str) -> None:
    assert "<script>alert" not in html
    assert "\u202e" not in html
    assert "49" not in re.findall(r"evil (\S+)", html)
    assert len(_Page(html).all("script")) == 1


def test_page__loads_nothing_from_anywhere(html: str) -> None:
    parsed = _Page(html)
    sources = [attributes["src"] for _, attributes in parsed.tags if "src" in attributes]

    assert sources
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert not parsed.all("link")
    assert "url(" not in html
    assert "@import" not in html


def test_page__its_policy_allows_its_own_script_alone(html: str) -> None:
    script = html.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(meta["content"] for meta in _Page(html).all("meta") if "http-equiv" in meta)

    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"\son[a-z]+=", html.partition("</head>")[2])


def test_page__every_photo_has_a_text_and_a_credit(html: str, content: ReportContent) -> None:
    images = [image for image in _Page(html).all("img") if "160" in (image.get("width") or "")]

    assert len(images) >= len(content.rows_of_page(1_000))
    assert all(image["alt"] for image in images)
    assert html.count('class="credit"') >= len(images)
    assert "CC BY-NC" in html


def test_page__says_what_makes_a_poor_photo_poor(html: str) -> None:
    assert "poor quality: dark" in html
    assert "the photo is too dark even where it is brightest (1)" in html
    assert "too blurred, dark, blank or small" not in html


def test_page__links_lead_to_what_is_there(html: str) -> None:
    parsed = _Page(html)
    ids = {attributes.get("id") for _, attributes in parsed.tags}
    inner = [a["href"][1:] for a in parsed.all("a") if a["href"].startswith("#")]
    outer = [a for a in parsed.all("a") if a["href"].startswith("https://www.inaturalist.org/")]

    assert set(inner) <= ids
    assert outer
    assert all(a["rel"] == "noopener noreferrer" for a in outer)


def test_page__says_what_it_is_no_good_for(html: str) -> None:
    assert "whether a mushroom can be eaten" in html
    assert "no identification" in html


def test_page__without_photos_map_and_curves_still_tells_the_counts() -> None:
    content = read_content(Facts(mixed()), {}, [], photos_per_class=0, max_photos=0)
    html = page(content, {}, None, About("0123456789abcdef", [], 0.7))

    assert _Page(html).open == []
    assert not _Page(html).all("img")
    assert "Too few photos to tell what is typical" in html
    assert "Contact sheet" not in html
    assert "one radius for all species, 0.7" in html
