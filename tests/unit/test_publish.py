"""Publishing a data set: what is written, when it counts, and what strangers' names can do."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pruned_photos import noise, pruned_photo, pruned_table

from mushroom_tasks.curation.dataset.overview import overview_png
from mushroom_tasks.curation.dataset.publish import PublishedDataset, find_dataset, list_datasets, publish
from mushroom_tasks.errors import CurationError, StorageError
from mushroom_tasks.imaging import probe
from mushroom_tasks.manifests import PRUNED, manifest_fingerprint, read_manifest
from mushroom_tasks.storage import Store

FINGERPRINT = "0123456789abcdef"
HOSTILE = '=cmd|"<script>alert(1)</script>[x](http://evil.example) `*_\n# Fake heading'


def photos(count: int = 12, **changes: Any) -> pa.Table:
    rows = [pruned_photo(i) for i in range(1, count + 1)]
    rows[3].update(is_outlier=True, reason="noise", cluster_label=-1, outlier_score=0.9)
    rows[5].update(is_outlier=True, reason="stray_cluster", cluster_label=1, outlier_score=0.8)
    rows[0].update(changes)
    return pruned_table(*rows)


def at(day: int) -> Callable[[], datetime]:
    return lambda: datetime(2026, 11, day, 12, tzinfo=UTC)


def publish_to(
    store: Store,
    table: pa.Table | None = None,
    fingerprint: str = FINGERPRINT,
    day: int = 1,
    decided_by: dict[str, int] | None = None,
) -> PublishedDataset:
    return publish(
        photos() if table is None else table,
        store,
        fingerprint,
        inputs={"snapshot": "aa11", "source": "https://bucket.example"},
        settings={"pruning": {"eps": None, "min_samples": 4}},
        failures={"missing": 3, "empty": 1},
        decided_by=decided_by or {},
        species=[{"scientific_name": name, "taxon_id": 1} for name in ("Amanita muscaria", "Verpa bohemica")],
        clock=at(day),
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_publish__writes_the_whole_folder(store: Store) -> None:
    published = publish_to(store)
    assert store.list(f"datasets/{FINGERPRINT}") == [
        "README.md",
        "attribution.csv",
        "dataset.json",
        "overview.png",
        "pruned.parquet",
        "species.json",
    ]
    assert published.folder == store.address(f"datasets/{FINGERPRINT}")


def test_publish__counts_species_photos_and_splits(store: Store) -> None:
    published = publish_to(store)
    assert published.counts.model_dump() == {
        "species": 2,
        "photos": 12,
        "kept": 10,
        "pruned": 2,
        "train": 6,
        "validation": 3,
        "test": 3,
    }
    assert published.pruned_by_reason == {"noise": 1, "stray_cluster": 1}
    assert published.failures == {"empty": 1, "missing": 3}


def test_publish__manifest_is_sorted_and_carries_the_fingerprint(store: Store) -> None:
    published = publish_to(store, photos().take(list(reversed(range(12)))))
    path = published.file("pruned.parquet")
    assert read_manifest(store, path, PRUNED)["photo_id"].to_pylist() == list(range(1, 13))
    assert manifest_fingerprint(store, path) == FINGERPRINT


def test_publish__credits_every_photo(store: Store) -> None:
    published = publish_to(store)
    with store.open(published.file("attribution.csv"), "r") as file:
        lines = {int(line["photo_id"]): line["attribution"] for line in csv.DictReader(file)}
    assert sorted(lines) == list(range(1, 13))
    assert lines[2] == "(c) user2, some rights reserved (CC BY-NC)"
    assert lines[3] == "user3, no rights reserved (CC0)"


def test_publish__describes_only_species_with_photos(store: Store) -> None:
    published = publish_to(store)
    assert store.read_json(published.file("species.json")) == [{"scientific_name": "Amanita muscaria", "taxon_id": 1}]


def test_publish__marker_is_json_of_the_data_set(store: Store) -> None:
    published = publish_to(store)
    marker = store.read_json(published.file("dataset.json"))
    assert marker["fingerprint"] == FINGERPRINT
    assert marker["created"] == "2026-11-01T12:00:00+00:00"
    assert marker["counts"]["pruned"] == 2
    assert marker["inputs"] == {"snapshot": "aa11", "source": "https://bucket.example"}
    assert marker["settings"] == {"pruning": {"eps": None, "min_samples": 4}}


def test_publish__row_order_does_not_matter(tmp_path: Path) -> None:
    first, second = Store(tmp_path / "first"), Store(tmp_path / "second")
    here = publish_to(first)
    publish_to(second, photos().take([11, 0, 5, 3, 1, 2, 4, 10, 9, 8, 7, 6]))
    for name in first.list(f"datasets/{FINGERPRINT}"):
        assert first.read_bytes(here.file(name)) == second.read_bytes(here.file(name)), name


def test_publish__never_rewrites_a_published_data_set(store: Store) -> None:
    first = publish_to(store, day=1)
    before = {name: store.read_bytes(first.file(name)) for name in store.list(f"datasets/{FINGERPRINT}")}
    second = publish_to(store, photos(8), day=2)
    assert second == first
    assert before == {name: store.read_bytes(first.file(name)) for name in before}


def test_publish__finishes_what_a_killed_run_left(store: Store) -> None:
    published = publish_to(store)
    store.delete(published.file("dataset.json"))
    store.write_text(published.file("README.md"), "half")
    assert list_datasets(store) == []
    publish_to(store)
    assert store.read_bytes(published.file("README.md")).startswith(b"# Data set")
    assert [dataset.fingerprint for dataset in list_datasets(store)] == [FINGERPRINT]


def test_publish__a_refused_table_leaves_no_data_set(store: Store) -> None:
    with pytest.raises(CurationError, match="GFDL"):
        publish_to(store, photos(license="GFDL"))
    assert list_datasets(store) == []


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (PRUNED.empty_table(), "without rows"),
        (photos(photo_id=2), "1 rows whose photo_id is there before"),
        (photos(split="holdout"), "Received: .'holdout'."),
        (photos().drop_columns(["reason"]), "Missing: .'reason'."),
    ],
)
def test_publish__refuses_what_is_no_data_set(store: Store, table: pa.Table, message: str) -> None:
    with pytest.raises(CurationError, match=message):
        publish_to(store, table)


def test_publish__refuses_a_column_of_another_type(store: Store) -> None:
    table = photos()
    texts = table.set_column(table.schema.get_field_index("width"), "width", pa.array(["wide"] * 12))
    with pytest.raises(StorageError, match="does not fit its schema"):
        publish_to(store, texts)
    assert list_datasets(store) == []


@pytest.mark.parametrize("fingerprint", ["", "..", "../up", "a/b", "a b"])
def test_publish__refuses_a_fingerprint_that_is_none(store: Store, fingerprint: str) -> None:
    with pytest.raises(CurationError, match="letters and digits"):
        publish_to(store, fingerprint=fingerprint)


def test_find_dataset__returns_what_was_published(store: Store) -> None:
    assert publish_to(store) == find_dataset(store, FINGERPRINT)


def test_find_dataset__survives_a_move_of_the_store(store: Store, tmp_path: Path) -> None:
    publish_to(store)
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    moved = Store(tmp_path / "elsewhere")
    assert find_dataset(moved, FINGERPRINT).folder == moved.address(f"datasets/{FINGERPRINT}")


def test_find_dataset__names_the_known_ones(store: Store) -> None:
    publish_to(store)
    with pytest.raises(CurationError, match=rf"Received: 'feed', there: {FINGERPRINT}"):
        find_dataset(store, "feed")


def test_find_dataset__says_so_when_there_are_none(store: Store) -> None:
    with pytest.raises(CurationError, match="there: none"):
        find_dataset(store, "feed")


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_find_dataset__refuses_a_damaged_marker(store: Store, content: str) -> None:
    published = publish_to(store)
    store.write_text(published.file("dataset.json"), content)
    with pytest.raises(CurationError, match="Delete the folder"):
        find_dataset(store, FINGERPRINT)


def test_list_datasets__newest_first(store: Store) -> None:
    for fingerprint, day in (("bbbb", 2), ("cccc", 3), ("aaaa", 2)):
        publish_to(store, fingerprint=fingerprint, day=day)
    assert [dataset.fingerprint for dataset in list_datasets(store)] == ["cccc", "aaaa", "bbbb"]


def test_list_datasets__empty_store(store: Store) -> None:
    assert list_datasets(store) == []


def test_published_dataset__goes_through_json(store: Store) -> None:
    published = publish_to(store)
    assert PublishedDataset.model_validate(json.loads(published.model_dump_json())) == published


def test_publish__works_in_a_store_without_folders() -> None:
    store = Store("memory://test-publish")
    published = publish_to(store)
    assert published.folder == f"memory:///test-publish/datasets/{FINGERPRINT}"
    assert list_datasets(store) == [published]


@pytest.fixture
def card(store: Store) -> str:
    published = publish_to(store, photos(observer_name=HOSTILE, scientific_name=HOSTILE))
    return store.read_bytes(published.file("README.md")).decode()


def test_card__tells_counts_licences_reasons_and_limits(card: str) -> None:
    for line in (
        "| train | 6 | 5 | 1 | 3 | 2 |",
        "| noise | like no group of photos of its species | 1 |",
        r"| stray\_cluster | one of a small group, by few observers, far from the other photos of its species | 1 |",
        "| missing | 3 |",
        "| [CC BY-NC](https://creativecommons.org/licenses/by-nc/4.0/) | "
        "Creative Commons Attribution-NonCommercial 4.0 International | 6 |",
        "| [Amanita muscaria](https://www.inaturalist.org/taxa/48715) | 6 | 4 | 2 | 3 | 3 | 0 |",
        '  "snapshot": "aa11",',
        '    "min_samples": 4',
    ):
        assert line in card.splitlines(), line


def decided(store: Store) -> PublishedDataset:
    """Photos that the rules and people see differently."""
    rows = [
        noise(1, is_outlier=False, decision="keep"),
        noise(2, decision="prune"),
        pruned_photo(3, is_outlier=True, decision="wrong_species"),
        pruned_photo(4, is_outlier=True, decision="prune"),
        pruned_photo(5, decision="not_sure", doubt="near_border"),
        pruned_photo(6, doubt="suspected_label"),
        pruned_photo(7),
    ]
    return publish_to(store, pruned_table(*rows), decided_by={HOSTILE: 1, "ann": 4})


def test_publish__counts_what_people_decided_apart_from_the_rules(store: Store) -> None:
    published = decided(store)
    assert (published.counts.kept, published.counts.pruned) == (4, 3)
    assert published.pruned_by_reason == {"noise": 1, "by_person": 2}
    assert published.decisions == {"keep": 1, "not_sure": 1, "prune": 2, "wrong_species": 1}
    assert published.decided_by == {HOSTILE: 1, "ann": 4}


def test_publish__reads_a_marker_from_before_people_decided(store: Store) -> None:
    published = publish_to(store)
    marker = store.read_json(published.file("dataset.json"))
    store.write_json(published.file("dataset.json"), {k: v for k, v in marker.items() if not k.startswith("deci")})
    assert find_dataset(store, FINGERPRINT).decisions == {}


def test_card__tells_what_people_decided_and_who(store: Store) -> None:
    card = store.read_bytes(decided(store).file("README.md")).decode()
    for line in (
        r"| by\_person | kept by the rules, pruned by people | 2 |",
        r"| wrong\_species | shows another species than the one it is filed under | 1 |",
        r"| suspected\_label | looks more like another species of the data set | 1 |",
    ):
        assert line in card.splitlines(), line
    assert "Decided by ann (4), " in card
    assert "near" not in card.split("Others are in doubt")[1].split("##")[0]
    assert "<script" not in card
    assert "](http://evil" not in card


def test_publish__tells_keeps_that_lost_to_another_photo_of_the_picture_from_what_people_pruned(store: Store) -> None:
    rows = [
        pruned_photo(1, picture=1, is_outlier=True, doubt="two_labels"),
        noise(2, picture=1, is_outlier=False, decision="keep", doubt="two_labels"),
        noise(4, picture=1, decision="keep"),
        pruned_photo(6, is_outlier=True, decision="prune"),
        noise(8),
    ]
    published = publish_to(store, pruned_table(*rows), decided_by={"ann": 3})

    assert published.pruned_by_reason == {"by_person": 1, "noise": 1, "same_picture": 2}
    assert published.counts.pruned == sum(published.pruned_by_reason.values())
    assert published.decisions == {"keep": 2, "prune": 1}
    card = store.read_bytes(published.file("README.md")).decode()
    assert r"| same\_picture | people kept another photo of the same picture | 2 |" in card.splitlines()
    assert "No other photo is in doubt." in card  # what was under two labels is settled


def test_card__says_so_where_nobody_looked(card: str) -> None:
    assert "## Photos that people looked at\n\nNone.\n\nNo other photo is in doubt." in card


def test_overview_png__shows_what_people_decided(store: Store) -> None:
    rows = [pruned_photo(1), noise(3)]
    plain, by_people = pruned_table(*rows), pruned_table(rows[0] | {"decision": "keep"}, rows[1])
    assert overview_png(plain) != overview_png(by_people)
    assert overview_png(pruned_table(rows[0] | {"decision": "not_sure"}, rows[1])) == overview_png(plain)
    # What goes because another photo of its picture was kept is left out by people too.
    lost, refused = ({"is_outlier": True, "decision": decision} for decision in (None, "prune"))
    assert overview_png(pruned_table(rows[0] | lost, rows[1])) == overview_png(pruned_table(rows[0] | refused, rows[1]))


def test_card__gives_no_advice_on_consumption(card: str) -> None:
    assert "No advice on consumption" in card


def test_card__hostile_names_stay_text(card: str) -> None:
    assert "<script" not in card
    assert "](http://evil" not in card
    assert "\n# Fake heading" not in card
    headings = [line for line in card.splitlines() if line.startswith("#")]
    assert headings[0] == f"# Data set {FINGERPRINT}"
    assert all(line.startswith("## ") for line in headings[1:])


def test_card__every_table_row_has_as_many_cells_as_its_header(card: str) -> None:
    for block in card.split("\n\n"):
        if block.startswith("| "):
            cells = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(cells) == 1, block


def test_overview_png__is_a_picture_and_takes_formula_like_names() -> None:
    data = overview_png(photos(scientific_name="$x_{1$"))
    assert data == overview_png(photos(scientific_name="$x_{1$"))
    assert probe(data)[0] == "PNG"


def test_overview_png__takes_many_species() -> None:
    rows = pruned_table(*(pruned_photo(i, scientific_name=f"Species {i}") for i in range(500)))
    _, width, height = probe(overview_png(rows))
    assert max(width, height) < 2500
