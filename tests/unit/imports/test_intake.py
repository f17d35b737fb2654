"""Photos of other sources on their way into the store."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from photo_folder import photo

from mushroom_tasks import imaging
from mushroom_tasks.errors import PhotoError
from mushroom_tasks.identifiers import is_own, own_id
from mushroom_tasks.imports import intake
from mushroom_tasks.imports.intake import Terms, take
from mushroom_tasks.imports.item import Item
from mushroom_tasks.storage import Store

TERMS = Terms("CC-BY", "Ann Other")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def item(name: str, data: bytes, species: str = "Amanita muscaria", **said: object) -> Item:
    return Item(name, species, lambda: data, **said)  # type: ignore[arg-type]


def files(store: Store) -> dict[str, int]:
    return {str(p.relative_to(store.root)): p.stat().st_mtime_ns for p in Path(store.root).rglob("*") if p.is_file()}


def test_take__keeps_a_photo_as_it_is_under_an_id_of_its_content(store: Store) -> None:
    data = photo(1)
    [kept] = take([item("a.jpg", data)], store, TERMS).photos
    assert store.read_bytes(kept.path) == data
    assert kept.sha256 == hashlib.sha256(data).hexdigest()
    assert kept.photo_id == own_id("photo", kept.sha256)
    assert is_own(kept.photo_id)
    assert (kept.width, kept.height, kept.format, kept.bytes) == (40, 36, "JPEG", len(data))
    assert (kept.license, kept.credit, kept.small_path) == ("CC-BY", "Ann Other", None)


def test_take__names_files_by_content(store: Store) -> None:
    [kept] = take([item("a.jpg", photo(1, kind="PNG"))], store, TERMS).photos
    assert (kept.extension, kept.path.rpartition(".")[2]) == ("png", "png")


def test_take__makes_the_smaller_copy_that_training_reads(store: Store) -> None:
    [kept] = take([item("a.jpg", photo(1))], store, TERMS, small_side=32).photos
    assert kept.small_path is not None
    data = store.read_bytes(kept.small_path)
    assert kept.small_sha256 == hashlib.sha256(data).hexdigest()
    assert min(imaging.decode(data).size) == 32


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<html>no photo</html>", "html"),
        (b"%PDF-1.7", "not_an_image"),
        (photo(1)[:-300], "truncated"),
    ],
)
def test_take__hostile_files_are_bad_items(store: Store, data: bytes, reason: str) -> None:
    found = take([item("good.jpg", photo(2)), item("bad\n\x1b[31m.jpg", data)], store, TERMS)
    [bad] = found.failures
    assert (bad.reason, len(found.photos)) == (reason, 1)
    assert bad.name.isprintable()
    assert bad.detail.isprintable()
    assert len(files(store)) == 1


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"species": ""}, "no_species"),
        ({"license": "all rights reserved"}, "license"),
        ({"license": "CC-BY-3.0"}, "license"),
    ],
)
def test_take__what_cannot_be_used_rightly_is_not_taken(store: Store, said: dict, reason: str) -> None:
    [bad] = take([item("a.jpg", photo(1), **said)], store, TERMS).failures
    assert bad.reason == reason


@pytest.mark.parametrize(("code", "taken"), [("CC-BY", 0), ("CC-BY-NC-ND", 0), ("CC0", 1), ("PD", 1)])
def test_take__a_licence_that_asks_for_credit_needs_a_name(store: Store, code: str, taken: int) -> None:
    found = take([item("a.jpg", photo(1))], store, Terms(code))
    assert len(found.photos) == taken
    assert [bad.reason for bad in found.failures] == ["no_credit"] * (1 - taken)


def test_take__the_same_content_counts_once(store: Store) -> None:
    found = take([item("b.jpg", photo(1)), item("a.jpg", photo(1)), item("c.jpg", photo(2))], store, TERMS)
    assert sorted(kept.item.name for kept in found.photos) == ["a.jpg", "c.jpg"]
    assert (found.duplicates, found.failures) == (1, [])


def test_take__of_the_same_content_in_two_splits_the_test_split_keeps_it(store: Store) -> None:
    pair = [item("a", photo(1), split="train"), item("b", photo(1), split="test"), item("c", photo(1))]
    [kept] = take(pair, store, TERMS).photos
    assert kept.item.split == "test"


def test_take__one_content_with_two_labels_is_in_dispute(store: Store) -> None:
    found = take([item("a.jpg", photo(1)), item("b.jpg", photo(1), "Boletus edulis")], store, TERMS)
    assert found.photos == []
    assert [bad.reason for bad in found.failures] == ["disputed", "disputed"]
    assert "Boletus edulis" in found.failures[0].detail


def test_take__one_name_in_upper_and_lower_case_is_no_dispute(store: Store) -> None:
    found = take([item("a.jpg", photo(1), "Boletus edulis"), item("b.jpg", photo(1), "Boletus Edulis")], store, TERMS)
    assert (len(found.photos), found.failures, found.duplicates) == (1, [], 1)


def test_take__again_writes_nothing_but_mends_what_is_damaged(store: Store) -> None:
    items = [item(f"{n}.jpg", photo(n)) for n in range(5)]
    first = take(items, store, TERMS, small_side=32)
    before = files(store)
    assert len(before) == 10
    assert take(items, store, TERMS, small_side=32) == first
    assert files(store) == before

    Path(store.path(first.photos[0].path)).write_bytes(b"damaged")
    take(items, store, TERMS, small_side=32)
    assert hashlib.sha256(store.read_bytes(first.photos[0].path)).hexdigest() == first.photos[0].sha256


def test_take__an_id_that_two_contents_share_is_noticed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "own_id", lambda kind, text: 2**52 + 7)
    take([item("a.jpg", photo(1))], store, TERMS)
    [bad] = take([item("b.jpg", photo(2))], store, TERMS).failures
    assert bad.reason == "id_collision"


def test_take__an_id_that_two_contents_share_is_noticed_in_one_go(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "own_id", lambda kind, text: 2**52 + 7)
    # Of two formats: they do not meet in the store.
    found = take([item("a.jpg", photo(1)), item("b.png", photo(2, kind="PNG"))], store, TERMS)
    assert [bad.reason for bad in found.failures] == ["id_collision", "id_collision"]


def test_take__holds_few_files_at_a_time(store: Store) -> None:
    held, most, lock = 0, 0, threading.Lock()

    def read(number: int) -> bytes:
        nonlocal held
        time.sleep(0.001)
        with lock:
            held -= 1
        return photo(number)

    def many() -> Iterator[Item]:
        nonlocal held, most
        for number in range(100):
            with lock:
                held += 1
                most = max(most, held)
            yield Item(f"{number:03d}", "A b", partial(read, number))

    assert len(take(many(), store, TERMS).photos) == 100
    assert most <= 2 * (__import__("os").cpu_count() or 1) + 2


def test_take__what_breaks_the_source_ends_it(store: Store) -> None:
    def broken() -> Iterator[Item]:
        yield item("a.jpg", photo(1))
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        take(broken(), store, TERMS)


def test_take__a_reader_s_own_reason_is_kept(store: Store) -> None:
    def read() -> bytes:
        raise PhotoError("missing", "gone")

    [bad] = take([Item("a", "A b", read)], store, TERMS).failures
    assert (bad.reason, bad.detail) == ("missing", "gone")
