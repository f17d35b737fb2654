"""Decisions: a log that everything else follows, whoever writes at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from loads import fetched, load_small
from pruned_photos import noise, pruned_photo, pruned_table
from small_bucket import ordinary
from sqlalchemy import Engine, create_engine, text

from mushroom_tasks.curation import review
from mushroom_tasks.curation.reasons import VERDICTS
from mushroom_tasks.curation.review import Filters
from mushroom_tasks.errors import CurationError
from mushroom_tasks.inat.refresh.history import rollback, withdrawn
from mushroom_tasks.storage import Store

AMANITA, BOLETUS = 48715, 48717
FIRST = "aaaa"


def key(photo_id: int) -> tuple[int, int]:
    """A photo and its species, as `pruned_photo` has them."""
    return photo_id, (AMANITA, BOLETUS)[photo_id % 2]


def queue(engine: Engine, fingerprint: str = FIRST, rows: pa.Table | None = None, keep_sets: int = 3) -> bool:
    if rows is None:
        flagged = [noise(1, score=0.7), noise(2), noise(3), pruned_photo(4, doubt="near_border")]
        rows = pruned_table(*flagged, *(pruned_photo(photo_id) for photo_id in range(5, 11)))
    return review.queue(engine, fingerprint, rows, origin="here", conf={"selection.seed": 1}, keep_sets=keep_sets)


def in_force(engine: Engine) -> dict[tuple[int, int], str]:
    rows = review.decisions(engine).to_pylist()
    return {(row["photo_id"], row["taxon_id"]): row["verdict"] for row in rows}


def shown(engine: Engine, fingerprint: str = FIRST) -> dict[tuple[int, int], str]:
    """The verdicts as the page shows them."""
    page = review.items(engine, fingerprint, Filters(show="decided"), limit=1000)
    return {(item.photo_id, item.taxon_id): str(item.verdict) for item in page.items}


@pytest.fixture
def reviewed(engine: Engine) -> Engine:
    queue(engine)
    return engine


# --- deciding


def test_decide__is_in_force_shown_and_counted(reviewed: Engine) -> None:
    done = review.decide(reviewed, [key(1), key(3), key(8)], "keep", "ann")

    assert done.photos == 3
    assert in_force(reviewed) == shown(reviewed) == dict.fromkeys([key(1), key(3), key(8)], "keep")
    [row, *_] = review.decisions(reviewed).to_pylist()
    assert (row["decided_by"], row["decided_at"].tzinfo is not None) == ("ann", True)
    [item] = review.find_items(reviewed, FIRST, [8])
    assert (item.verdict, item.decided_by, item.is_outlier) == ("keep", "ann", False)
    assert item.decided_at is not None
    found = review.find_set(reviewed, FIRST)
    assert (found.pruned, found.doubtful, found.waiting, found.decided) == (3, 1, 2, 3)
    by_name = {each.scientific_name: each for each in review.species(reviewed, FIRST).species}
    assert (by_name["Boletus edulis"].waiting, by_name["Boletus edulis"].decided) == (0, 2)
    assert (by_name["Amanita muscaria"].waiting, by_name["Amanita muscaria"].decided) == (2, 1)


def test_decide__the_last_one_wins_and_the_log_keeps_both(reviewed: Engine) -> None:
    review.decide(reviewed, [key(1)], "keep", "ann")
    review.decide(reviewed, [key(1)], "wrong_species", "bob")

    assert in_force(reviewed) == {key(1): "wrong_species"}
    assert [(row.verdict, row.decided_by) for row in review.history(reviewed, 1)] == [
        ("wrong_species", "bob"),
        ("keep", "ann"),
    ]


def test_decide__a_photo_that_is_given_twice_is_one(reviewed: Engine) -> None:
    assert review.decide(reviewed, [key(1), key(1)], "keep", "ann").photos == 1
    assert len(review.history(reviewed, 1)) == 1


@pytest.mark.parametrize(
    ("photos", "verdict", "by", "message"),
    [
        ([key(1)], "delete", "ann", "Received: 'delete'"),
        ([], "keep", "ann", "nothing to decide"),
        ([key(1)], "keep", " \n", "somebody has to decide"),
        ([key(1)], "keep", "x" * 201, "somebody has to decide"),
        ([key(1), (99, AMANITA)], "keep", "ann", r"1 of 2 photos.*99 \(taxon 48715\)"),
        ([(1, AMANITA)], "keep", "ann", "in no review set under that species"),
    ],
)
def test_decide__refuses_and_writes_nothing(
    reviewed: Engine, photos: list[tuple[int, int]], verdict: str, by: str, message: str
) -> None:
    with pytest.raises(CurationError, match=message):
        review.decide(reviewed, photos, verdict, by)
    assert review.log(reviewed) == []


def test_decide__takes_texts_as_they_are(reviewed: Engine) -> None:
    name = "'; DROP TABLE review_decisions; --%s:by<b>"
    review.decide(reviewed, [key(1)], "keep", name)
    assert review.history(reviewed, 1)[0].decided_by == name


# --- undoing


def test_undo__brings_back_what_was_in_force_before(reviewed: Engine) -> None:
    review.decide(reviewed, [key(1)], "keep", "ann")
    done = review.decide(reviewed, [key(1), key(2)], "prune", "ann")

    undone = review.undo(reviewed, done.batch, "bob")

    assert undone.photos == 2
    assert in_force(reviewed) == shown(reviewed) == {key(1): "keep"}
    assert review.find_set(reviewed, FIRST).decided == 1
    [item] = review.find_items(reviewed, FIRST, [2])
    assert (item.verdict, item.decided_by, item.decided_at) == (None, None, None)
    [newest, *_] = review.history(reviewed, 2)
    assert (newest.verdict, newest.decided_by, newest.undoes) == (None, "bob", done.batch)
    assert len(review.log(reviewed)) == 5


def test_undo__can_be_undone(reviewed: Engine) -> None:
    done = review.decide(reviewed, [key(1)], "prune", "ann")
    undone = review.undo(reviewed, done.batch, "ann")
    review.undo(reviewed, undone.batch, "ann")

    assert in_force(reviewed) == shown(reviewed) == {key(1): "prune"}


def test_undo__leaves_what_others_decided_since(reviewed: Engine) -> None:
    done = review.decide(reviewed, [key(1), key(2)], "prune", "ann")
    review.decide(reviewed, [key(1)], "keep", "bob")

    assert review.undo(reviewed, done.batch, "ann").photos == 1
    assert in_force(reviewed) == shown(reviewed) == {key(1): "keep"}


def test_undo__twice_takes_nothing_back(reviewed: Engine) -> None:
    done = review.decide(reviewed, [key(1)], "prune", "ann")
    review.undo(reviewed, done.batch, "ann")

    assert review.undo(reviewed, done.batch, "ann").photos == 0
    assert in_force(reviewed) == {}


def test_undo__names_a_batch_that_is_none(reviewed: Engine) -> None:
    batch = UUID(int=7)
    with pytest.raises(CurationError, match=str(batch)):
        review.undo(reviewed, batch, "ann")


# --- several at once


def test_decide__people_at_once_leave_page_and_log_in_agreement(reviewed: Engine, database: str) -> None:
    """Each decides the same photos again and again, in an order of their own, and takes some of it back."""
    photos = [key(photo_id) for photo_id in range(1, 11)]
    start = threading.Barrier(4)

    def person(number: int) -> None:
        engine = create_engine(database)
        verdicts = list(VERDICTS)
        start.wait()
        for turn in range(8):
            chosen = photos[turn % 3 :: 2] if number % 2 else photos[::-1][turn % 3 :]
            done = review.decide(engine, chosen, verdicts[(turn + number) % 4], f"person {number}")
            if turn % 3 == number % 3:
                review.undo(engine, done.batch, f"person {number}")
        engine.dispose()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(person, range(4)))

    assert in_force(reviewed) == shown(reviewed)
    found = review.find_set(reviewed, FIRST)
    flagged = {key(photo_id) for photo_id in (1, 2, 3, 4)}
    assert found.decided == len(shown(reviewed))
    assert found.waiting == len(flagged - shown(reviewed).keys())


def test_queue__a_set_that_appears_while_people_decide_misses_nothing(reviewed: Engine, database: str) -> None:
    stop = threading.Event()

    def person() -> None:
        engine = create_engine(database)
        turn = 0
        while not stop.is_set():
            turn += 1
            review.decide(engine, [key(turn % 10 + 1)], list(VERDICTS)[turn % 4], "ann")
        engine.dispose()

    with ThreadPoolExecutor(2) as pool:
        deciding = pool.submit(person)
        made = [pool.submit(queue, reviewed, f"set{number % 3}", keep_sets=2).result() for number in range(9)]
        stop.set()
        deciding.result()

    assert all(made)  # each had been dropped before it came again
    for fingerprint in ("set1", "set2"):
        assert shown(reviewed, fingerprint) == in_force(reviewed)


def test_queue__one_set_at_once_by_two(engine: Engine, database: str) -> None:
    engines = [create_engine(database) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(queue, engines))
    assert sorted(made) == [False, True]
    assert len(review.sets(engine)) == 1
    assert len(review.items(engine, FIRST, Filters(show="all")).items) == 10
    for each in engines:
        each.dispose()


# --- sets come and go


def test_queue__decisions_are_in_force_on_a_later_set(reviewed: Engine) -> None:
    review.decide(reviewed, [key(1), key(2)], "keep", "ann")
    done = review.decide(reviewed, [key(3)], "keep", "ann")
    review.undo(reviewed, done.batch, "ann")
    queue(reviewed, "bbbb")

    assert shown(reviewed, "bbbb") == dict.fromkeys([key(1), key(2)], "keep")
    later = review.find_set(reviewed, "bbbb")
    assert (later.waiting, later.decided) == (2, 2)


def test_queue__a_decision_lapses_where_the_photo_is_another_species_now(reviewed: Engine) -> None:
    review.decide(reviewed, [key(1)], "wrong_species", "ann")
    queue(reviewed, "bbbb", pruned_table(pruned_photo(1, taxon_id=AMANITA), pruned_photo(2)))

    assert shown(reviewed, "bbbb") == {}
    assert in_force(reviewed) == {key(1): "wrong_species"}


def test_queue__again_moves_a_set_to_the_top_and_changes_no_photo(reviewed: Engine) -> None:
    review.decide(reviewed, [key(1)], "keep", "ann")
    queue(reviewed, "bbbb")
    assert [each.fingerprint for each in review.sets(reviewed)] == ["bbbb", FIRST]

    assert queue(reviewed) is False
    assert [each.fingerprint for each in review.sets(reviewed)] == [FIRST, "bbbb"]
    assert shown(reviewed) == {key(1): "keep"}


def test_queue__keeps_the_newest_sets_and_all_decisions(reviewed: Engine) -> None:
    review.decide(reviewed, [key(1)], "keep", "ann")
    for fingerprint in ("bbbb", "cccc"):
        queue(reviewed, fingerprint, keep_sets=2)

    assert [each.fingerprint for each in review.sets(reviewed)] == ["cccc", "bbbb"]
    with reviewed.connect() as connection:
        counts = [
            connection.scalar(text(f"SELECT count(DISTINCT set_id) FROM {table}"))
            for table in ("review_items", "review_species")
        ]
    assert counts == [2, 2]
    assert in_force(reviewed) == {key(1): "keep"}
    queue(reviewed, FIRST)
    assert shown(reviewed) == {key(1): "keep"}


def test_queue__says_what_the_set_is_of(reviewed: Engine) -> None:
    [found] = review.sets(reviewed)
    assert (found.fingerprint, found.origin, found.conf) == (FIRST, "here", {"selection.seed": 1})
    assert (found.photos, found.pruned, found.doubtful, found.waiting, found.decided) == (10, 3, 1, 4, 0)
    assert (found.reasons, found.doubts) == ({"noise": 3, "typical": 7}, {"near_border": 1})


def test_queue__an_own_taxon_and_empty_texts_come_through(engine: Engine) -> None:
    odd = pruned_photo(
        2**52 + 5, taxon_id=2**52 + 9, scientific_name='Evil | <b>"name"\\\n', login="", observer_name=None
    )
    queue(engine, rows=pruned_table(odd | {"label_score": 0.25, "suggested_taxon_id": AMANITA, "duplicate_of": 1}))

    [item] = review.items(engine, FIRST, Filters(show="all")).items
    assert (item.photo_id, item.taxon_id, item.login, item.observer_name) == (2**52 + 5, 2**52 + 9, "", None)
    assert item.scientific_name == odd["scientific_name"]
    assert (item.label_score, item.suggested_taxon_id, item.suggested_name, item.duplicate_of) == (
        0.25,
        AMANITA,
        None,
        1,
    )


def test_decisions__survive_a_new_load_and_its_rollback(reviewed: Engine, store: Store, tmp_path: Path) -> None:
    later = ordinary()
    later.photos = [row for row in later.photos if row[1] != 1]  # photo 1 is withdrawn
    snapshots = [fetched(bucket, store, tmp_path / name) for name, bucket in (("now", ordinary()), ("later", later))]
    review.decide(reviewed, [key(1)], "keep", "ann")
    load_small(reviewed, store, snapshots[0])
    review.decide(reviewed, [key(2)], "prune", "bob")
    load_small(reviewed, store, snapshots[1])
    assert withdrawn(reviewed)["photo_id"].to_pylist() == [1]
    decided = {key(1): "keep", key(2): "prune"}
    assert in_force(reviewed) == shown(reviewed) == decided

    rollback(reviewed)

    assert in_force(reviewed) == shown(reviewed) == decided
    review.decide(reviewed, [key(3)], "keep", "ann")
    assert in_force(reviewed) == {**decided, key(3): "keep"}


# --- whatever people do, the page follows the log

actions = st.lists(
    st.tuples(st.sampled_from(["decide", "undo", "queue"]), st.integers(0, 9), st.integers(0, 3)), max_size=12
)


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions)
def test_log__the_page_and_the_progress_always_follow_it(
    module_engine: Engine, steps: list[tuple[str, int, int]]
) -> None:
    with module_engine.begin() as connection:
        connection.execute(text("TRUNCATE review_sets, review_species, review_items, review_decisions"))
    queue(module_engine)
    batches: list[UUID] = []
    expected: list[dict[tuple[int, int], str | None]] = [{}]
    for action, number, choice in steps:
        if action == "decide":
            photos = [key(1 + number), key(1 + (number + choice) % 10)]
            batches.append(review.decide(module_engine, photos, list(VERDICTS)[choice], "ann").batch)
            expected.append({**expected[-1], **dict.fromkeys(photos, list(VERDICTS)[choice])})
        elif action == "undo" and batches and batches[-1]:
            # The newest batch: all of it is still in force, so everything is as it was before.
            batches.append(review.undo(module_engine, batches[-1], "bob").batch)
            expected.append(dict(expected[-2]))
        elif action == "queue":
            queue(module_engine, f"set{choice}", keep_sets=2)
    for each in review.sets(module_engine):
        assert shown(module_engine, each.fingerprint) == in_force(module_engine) == expected[-1]
        assert each.decided == len(expected[-1])
