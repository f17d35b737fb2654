"""What the page shows: which photos, in which order, and how quickly where there are 200,000."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pruned_photos import noise, pruned_photo, pruned_table
from sqlalchemy import Engine, event

from mushroom_tasks.curation import review
from mushroom_tasks.curation.review import Filters
from mushroom_tasks.errors import CurationError
from mushroom_tasks.manifests import PRUNED

AMANITA, BOLETUS = 48715, 48717
FIRST = "aaaa"


def stray(photo_id: int, cluster: int, score: float) -> dict[str, Any]:
    return noise(photo_id, score, reason="stray_cluster", cluster_label=cluster)


@pytest.fixture
def reviewed(engine: Engine) -> Engine:
    rows = [
        pruned_photo(2, outlier_score=0.2, quality_issue="tiny"),
        pruned_photo(4, outlier_score=0.4),
        stray(6, 2, 0.9),
        stray(8, 1, 0.5),
        stray(10, 2, 0.8),
        stray(12, 1, 0.6),
        noise(14, 0.7, quality_issue="blurred"),
        noise(16, 0.95),
        pruned_photo(18, doubt="near_border", outlier_score=0.5),
        pruned_photo(20, doubt="held_back", outlier_score=0.9),
        pruned_photo(22, doubt="suspected_label", suggested_taxon_id=BOLETUS, label_score=0.1),
        pruned_photo(1),
        noise(3, doubt="suspected_label"),
    ]
    fill(engine, FIRST, pruned_table(*rows))
    return engine


def fill(engine: Engine, fingerprint: str, rows: pa.Table) -> None:
    review.queue(engine, fingerprint, rows, origin="here", conf=None, keep_sets=3)


def ids(engine: Engine, **filters: Any) -> list[int]:
    return [item.photo_id for item in review.items(engine, FIRST, Filters(**filters)).items]


def test_items__by_species_then_what_belongs_together_most_outlying_first(reviewed: Engine) -> None:
    # Amanita muscaria before Boletus edulis; noise, both series one after the other; each doubt; the rest.
    noises, series, doubts, rest = [16, 14], [12, 8, 6, 10], [20, 18, 22], [4, 2]
    assert ids(reviewed, show="all") == [*noises, *series, *doubts, *rest, 3, 1]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [16, 14, 12, 8, 6, 10, 20, 18, 22, 3]),
        ({"show": "flagged"}, [16, 14, 12, 8, 6, 10, 20, 18, 22, 3]),
        ({"show": "pruned"}, [16, 14, 12, 8, 6, 10, 3]),
        ({"show": "doubtful"}, [20, 18, 22]),
        ({"show": "kept"}, [4, 2, 1]),
        ({"taxon_id": BOLETUS}, [3]),
        ({"taxon_id": BOLETUS, "show": "all"}, [3, 1]),
        ({"observer_id": 0}, [16, 12, 8, 20]),
        ({"finding": "stray_cluster"}, [12, 8, 6, 10]),
        ({"finding": "suspected_label"}, [22, 3]),
        ({"finding": "suspected_label", "taxon_id": AMANITA}, [22]),
        ({"finding": "typical", "show": "all"}, [20, 18, 22, 4, 2, 1]),
        ({"finding": "like_junk"}, []),
        ({"quality_issue": "blurred"}, [14]),
        ({"quality_issue": "blurred", "finding": "stray_cluster"}, []),
        ({"quality_issue": "tiny", "show": "all"}, [2]),
        ({"quality_issue": "dark", "show": "all"}, []),
        ({"show": "decided"}, []),
        ({"taxon_id": 7}, []),
    ],
)
def test_items__filters(reviewed: Engine, filters: dict[str, Any], expected: list[int]) -> None:
    assert ids(reviewed, **filters) == expected


def test_items__what_is_decided_waits_no_more(reviewed: Engine) -> None:
    review.decide(reviewed, [(16, AMANITA), (4, AMANITA)], "keep", "ann")
    review.decide(reviewed, [(3, BOLETUS)], "not_sure", "ann")

    assert ids(reviewed) == [14, 12, 8, 6, 10, 20, 18, 22]
    assert ids(reviewed, show="flagged")[0] == 16
    assert ids(reviewed, show="decided") == [16, 4, 3]
    assert ids(reviewed, show="decided", verdict="not_sure") == [3]
    assert ids(reviewed, show="flagged", verdict="keep") == [16]


@pytest.mark.parametrize("size", [1, 2, 3, 10, 100])
def test_items__pages_join_to_the_whole(reviewed: Engine, size: int) -> None:
    found: list[int] = []
    cursor: int | None = None
    for _ in range(20):
        page = review.items(reviewed, FIRST, cursor=cursor, limit=size)
        found += [item.photo_id for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == ids(reviewed)


def test_items__deciding_a_page_skips_nothing_of_the_next(reviewed: Engine) -> None:
    page = review.items(reviewed, FIRST, limit=3)
    review.decide(reviewed, [(item.photo_id, item.taxon_id) for item in page.items], "prune", "ann")

    later = review.items(reviewed, FIRST, cursor=page.next_cursor, limit=3)
    assert [item.photo_id for item in later.items] == [8, 6, 10]


def test_items__show_what_is_known_of_a_photo(reviewed: Engine) -> None:
    [item] = review.find_items(reviewed, FIRST, [22])

    assert (item.scientific_name, item.suggested_name, item.doubt) == (
        "Amanita muscaria", "Boletus edulis", "suspected_label",
    )  # fmt: skip
    assert review.find_items(reviewed, FIRST, [14])[0].quality_issue == "blurred"
    assert (item.path, item.sha256) == ("photos/medium/022/22.jpg", f"{22:064x}")
    assert (item.license, item.login, item.observation_uuid) == ("CC-BY-NC", "user2", "observation-11")
    assert item.label_score == pytest.approx(0.1)


def test_find_items__returns_those_there_are(reviewed: Engine) -> None:
    assert [item.photo_id for item in review.find_items(reviewed, FIRST, [1, 99, 16])] == [16, 1]


@pytest.mark.parametrize(
    "filters",
    [
        Filters(finding="junk"),
        Filters(verdict="delete"),
        Filters(quality_issue="ugly"),
        replace(Filters(), show="'; --"),  # type: ignore[arg-type]
    ],
)
def test_items__name_a_filter_that_is_none(reviewed: Engine, filters: Filters) -> None:
    with pytest.raises(CurationError, match="Received"):
        review.items(reviewed, FIRST, filters)


@pytest.mark.parametrize(
    "ask",
    [
        lambda engine: review.items(engine, "ffff"),
        lambda engine: review.species(engine, "ffff"),
        lambda engine: review.find_set(engine, "ffff"),
        lambda engine: review.find_items(engine, "ffff", [1]),
    ],
)
def test_set__that_is_missing_is_named(reviewed: Engine, ask: Callable[[Engine], object]) -> None:
    with pytest.raises(CurationError, match="Received: 'ffff', there: aaaa"):
        ask(reviewed)


def test_sets__without_any_are_none(engine: Engine) -> None:
    assert review.sets(engine) == []
    assert review.species_names(engine) == {}


def test_species__are_found_by_name_and_by_what_waits(engine: Engine) -> None:
    names = ["Boletus 100%_edulis", "amanita rubescens", "Amanita muscaria", "Verpa bohemica"]
    rows = [
        (noise if number % 2 else pruned_photo)(number, taxon_id=500 - number, scientific_name=name)
        for number, name in enumerate(names, 1)
    ]
    fill(engine, FIRST, pruned_table(*rows))

    def named(**how: Any) -> list[str]:
        return [each.scientific_name for each in review.species(engine, FIRST, **how).species]

    assert named() == sorted(names)
    assert named(search=" AMANITA") == ["Amanita muscaria", "amanita rubescens"]
    assert named(search="100%_") == ["Boletus 100%_edulis"]
    assert named(search="%") == ["Boletus 100%_edulis"]
    assert named(search="a_i") == []
    assert named(waiting_only=True) == ["Amanita muscaria", "Boletus 100%_edulis"]
    page = review.species(engine, FIRST, limit=3)
    assert [each.scientific_name for each in page.species] == sorted(names)[:3]
    assert named(after=page.next_cursor) == sorted(names)[3:]
    assert review.species_names(engine)[499] == "Boletus 100%_edulis"


def test_log__pages_backwards_and_names_species(reviewed: Engine) -> None:
    for photo_id in (16, 14, 12):
        review.decide(reviewed, [(photo_id, AMANITA)], "keep", "ann")
    page = review.log(reviewed, limit=2)
    rest = review.log(reviewed, before=page[-1].decision.id, limit=2)

    assert [entry.decision.photo_id for entry in (*page, *rest)] == [12, 14, 16]
    assert {entry.scientific_name for entry in page} == {"Amanita muscaria"}


# --- 200,000 photos

SPECIES, PHOTOS = 500, 200_000


def many_photos() -> pa.Table:
    """500 species, 12 % pruned, 3 % in doubt, 10 % blurred or dark, 4,000 people."""
    draw = np.random.default_rng(7)
    number = np.arange(PHOTOS)
    kind = draw.random(PHOTOS)
    is_outlier, doubtful = kind < 0.12, (kind >= 0.12) & (kind < 0.15)
    reason = np.where(is_outlier, draw.choice(["noise", "stray_cluster", "like_junk"], PHOTOS), "typical")
    columns = {
        "photo_id": number,
        "taxon_id": 1000 + number % SPECIES,
        "scientific_name": [f"Species {each:03d}" for each in number % SPECIES],
        "observer_id": draw.integers(0, 4000, PHOTOS),
        "is_outlier": is_outlier,
        "reason": reason,
        "doubt": np.where(doubtful, draw.choice(["near_border", "suspected_label"], PHOTOS), None),
        "outlier_score": draw.random(PHOTOS, np.float32),
        "quality_issue": np.where(kind > 0.9, draw.choice(["blurred", "dark"], PHOTOS), None),
    }
    given = pruned_photo(0)
    return pa.table(
        [
            pa.array(columns[field.name], field.type)
            if field.name in columns
            else pa.repeat(pa.scalar(given.get(field.name), field.type), PHOTOS)
            for field in PRUNED
        ],
        schema=PRUNED,
    )


@pytest.fixture(scope="module")
def large(module_engine: Engine) -> Engine:
    """Two sets beside each other, half of what they flag decided, species by species as people do."""
    rows = many_photos()
    fill(module_engine, FIRST, rows)
    flagged = rows.filter(pc.or_(rows["is_outlier"], pc.is_valid(rows["doubt"]))).sort_by("taxon_id")
    photos = list(zip(flagged["photo_id"].to_pylist(), flagged["taxon_id"].to_pylist(), strict=True))
    review.decide(module_engine, photos[: len(photos) // 2], "prune", "ann")
    review.decide(module_engine, photos[: len(photos) // 2 : 1000], "not_sure", "bob")
    fill(module_engine, "bbbb", rows)
    return module_engine


ASKED = [
    Filters(),
    Filters(show="flagged"),
    Filters(show="pruned"),
    Filters(show="doubtful"),
    Filters(show="kept"),
    Filters(show="all"),
    Filters(show="decided"),
    Filters(show="decided", verdict="not_sure"),
    Filters(show="flagged", verdict="keep"),
    Filters(taxon_id=1499),
    Filters(taxon_id=1250, show="all"),
    Filters(finding="like_junk"),
    Filters(finding="suspected_label"),
    Filters(finding="suspected_label", show="all"),
    Filters(finding="noise", taxon_id=1400),
    Filters(finding="poor_quality"),
    Filters(quality_issue="blurred"),
    Filters(quality_issue="text", show="all"),
    Filters(quality_issue="blurred", show="kept", taxon_id=1400),
    Filters(observer_id=77, show="all"),
    Filters(observer_id=77),
]


def plans(engine: Engine, ask: Callable[[], object], table: str = "review_items") -> list[dict[str, Any]]:
    """What PostgreSQL does for each statement on a table; done a second time, and taken back."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:  # never committed
        answers = [
            connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
            for statement, parameters in asked
            if table in statement
        ]
    return [(json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"] for answer in answers]


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", ()) for node in nodes(part))]


def rows_read(plan: dict[str, Any], table: str) -> float:
    """How many rows of a table a statement looked at, those that a filter left out too."""
    return sum(
        node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        for node in nodes(plan)
        if node.get("Relation Name") == table and "Scan" in node["Node Type"]
    )


@pytest.mark.parametrize("cursor", [None, 100_000], ids=["start", "middle"])
@pytest.mark.parametrize("filters", ASKED, ids=str)
def test_page__of_200_000_photos_is_one_quick_query_by_an_index(
    large: Engine, filters: Filters, cursor: int | None
) -> None:
    page = review.items(large, FIRST, filters, cursor=cursor, limit=60)
    [plan] = plans(large, lambda: review.items(large, FIRST, filters, cursor=cursor, limit=60))
    scans = [node for node in nodes(plan) if node.get("Relation Name") == "review_items"]
    assert [node["Node Type"] for node in scans] in (["Index Scan"], ["Index Only Scan"])
    assert not [node for node in nodes(plan) if "Sort" in node["Node Type"]]
    assert all(node["Index Name"].startswith(("ix_review_items", "pk_review_items")) for node in scans)
    assert sum(node.get("Rows Removed by Filter", 0) for node in scans) <= PHOTOS * 0.16
    assert sum(node["Actual Rows"] for node in scans) <= 61
    assert len(page.items) <= 60


def test_page__of_many_has_the_same_photos_as_the_manifest(large: Engine) -> None:
    rows = many_photos()
    chosen = rows.filter(pc.and_(pc.equal(rows["taxon_id"], 1400), pc.equal(rows["reason"], "noise")))
    page = review.items(large, FIRST, Filters(taxon_id=1400, finding="noise", show="all"), limit=1000)
    assert {item.photo_id for item in page.items} == set(chosen["photo_id"].to_pylist())


def test_progress__of_many_reads_species_not_photos_and_is_right(large: Engine) -> None:
    newest, first = review.sets(large)
    page = review.species(large, FIRST, waiting_only=True, limit=50)

    assert (newest.fingerprint, first.fingerprint) == ("bbbb", FIRST)
    assert first.waiting == newest.waiting
    assert first.waiting + first.decided == first.pruned + first.doubtful
    assert sum(each.waiting for each in page.species) > 0
    for ask in (lambda: review.sets(large), lambda: review.species(large, FIRST, waiting_only=True, limit=50)):
        assert plans(large, ask) == []
        assert sum(rows_read(plan, "review_species") for plan in plans(large, ask, "review_species")) <= 2 * SPECIES


def test_decide__on_many_sets_of_many_photos_reads_those_of_its_species_by_an_index(large: Engine) -> None:
    page = review.items(large, FIRST, Filters(taxon_id=1499), limit=60)
    photos = [(item.photo_id, item.taxon_id) for item in page.items]
    batches = []

    def decide_and_undo() -> None:
        batches.append(review.decide(large, photos, "keep", "ann"))
        batches.append(review.undo(large, batches[0].batch, "ann"))

    found = plans(large, decide_and_undo)

    assert [batch.photos for batch in batches] == [len(photos)] * 2
    assert len(photos) > 0
    scans = [node for plan in found for node in nodes(plan) if node.get("Relation Name") == "review_items"]
    assert "Seq Scan" not in {node["Node Type"] for node in scans}
    # Twice each: which are known (decide only), whose verdict changes, and the counts of one species, in two sets.
    assert sum(rows_read(plan, "review_items") for plan in found) <= 2 * 3 * 2 * PHOTOS // SPECIES
