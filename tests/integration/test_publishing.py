"""Which data set is the latest, and when there is one to build: one home, several states of its store."""

from __future__ import annotations

from pathlib import Path

import pytest
from pruned_photos import pruned_photo, pruned_table

from mushroom_tasks.curation.dataset.publish import list_datasets
from mushroom_tasks.manifests import PRUNED, write_manifest
from mushroom_tasks.settings import Settings, load_settings
from mushroom_tasks.stages.artifacts import latest_marked, mark_latest, newest_dataset, tracked_path
from mushroom_tasks.stages.choices import choices
from mushroom_tasks.stages.pruning import pruned_key
from mushroom_tasks.stages.publishing import INATURALIST, plan_dataset
from mushroom_tasks.stages.results import SelectionResult
from mushroom_tasks.storage import Store

OLD, NEW = (pruned_key(load_settings({}), downloads) for downloads in ("old", "new"))
COUNTS = {"species": 2, "photos": 4, "kept": 4, "pruned": 0, "train": 2, "validation": 1, "test": 1}


@pytest.fixture
def settings(tmp_path: Path, database: str) -> Settings:
    """Two data sets of other selections, both finished, the second one published last."""
    settings = load_settings({"home": tmp_path, "database_url": database})
    for fingerprint, selection, day in ((OLD, "old", 1), (NEW, "new", 2)):
        _publish(settings, fingerprint, selection, f"2026-01-0{day}T00:00:00+00:00")
    return settings


def _publish(
    settings: Settings, fingerprint: str, selection: str, created: str, failures: dict[str, int] | None = None
) -> None:
    store = Store(settings.store)
    inputs = {"origin": INATURALIST, "selection": selection, "downloads": selection, "pruned": fingerprint}
    content = {"fingerprint": fingerprint, "created": created, "counts": COUNTS, "pruned_by_reason": {}}
    content |= {"failures": failures or {}, "inputs": inputs, "settings": choices(settings)}
    rows = pruned_table(*(pruned_photo(photo_id) for photo_id in range(1, 5)))
    write_manifest(store, f"datasets/{fingerprint}/pruned.parquet", rows, PRUNED, fingerprint)
    store.write_json(f"datasets/{fingerprint}/dataset.json", content)
    store.write_json(tracked_path(settings, "datasets", fingerprint), COUNTS)
    mark_latest(store, fingerprint, choices(settings))


def _selected(fingerprint: str) -> SelectionResult:
    return SelectionResult(fingerprint=fingerprint, address="", species=2, photos=4, shards=[0])


def test_plan__skips_the_selection_of_the_latest_data_set(settings: Settings) -> None:
    plan = plan_dataset(settings, _selected("new"))
    assert (plan.is_new, plan.dataset) == (False, NEW)


def test_plan__builds_another_selection_and_an_earlier_one(settings: Settings) -> None:
    assert plan_dataset(settings, _selected("newer")).is_new
    assert plan_dataset(settings, _selected("old")).is_new


def test_plan__builds_again_where_somebody_asks(settings: Settings) -> None:
    assert plan_dataset(settings, _selected("new"), again=True).is_new


@pytest.mark.parametrize(
    ("version", "value"),
    [
        ("mushroom_tasks.photos.looks.VERSION", 1000),
        ("mushroom_tasks.stages.pruning._VERSION", 1000),
        ("mushroom_tasks.stages.pruning.embedder_fingerprint", lambda _: "other"),
    ],
)
def test_plan__builds_again_what_other_rules_measures_or_features_judged(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, version: str, value: object
) -> None:
    monkeypatch.setattr(version, value)
    assert plan_dataset(settings, _selected("new")).is_new


def test_plan__a_dry_run_builds_nothing(settings: Settings) -> None:
    plan = plan_dataset(settings, _selected("newer"), dry_run=True)
    assert (plan.is_new, plan.dataset) == (False, None)


def test_plan__builds_again_what_was_cut_off_before_it_was_logged(settings: Settings) -> None:
    Store(settings.store).delete(tracked_path(settings, "datasets", NEW))
    assert plan_dataset(settings, _selected("new")).is_new


@pytest.mark.parametrize(("reason", "is_new"), [("timeout", True), ("missing", False)])
def test_plan__builds_again_only_what_failed_in_passing(settings: Settings, reason: str, is_new: bool) -> None:
    _publish(settings, NEW, "new", "2026-01-02T00:00:00+00:00", {reason: 1})
    assert plan_dataset(settings, _selected("new")).is_new is is_new


def test_plan__with_other_settings_there_is_no_data_set_yet(settings: Settings) -> None:
    other = settings.model_copy(update={"selection": settings.selection.model_copy(update={"seed": 7})})
    assert plan_dataset(other, _selected("new")).is_new


def test_latest__is_what_was_published_last_though_it_was_made_first(settings: Settings) -> None:
    """After a rollback the earlier data set is published again; its folder, and its date, stay as they are."""
    store = Store(settings.store)
    assert newest_dataset(store).fingerprint == NEW
    mark_latest(store, OLD, choices(settings))

    assert newest_dataset(store).fingerprint == OLD
    assert latest_marked(store, choices(settings)) == OLD
    assert not plan_dataset(settings, _selected("old")).is_new
    assert [each.fingerprint for each in list_datasets(store)] == [NEW, OLD]


def test_latest__a_data_set_that_is_gone_is_not_the_latest(settings: Settings) -> None:
    store = Store(settings.store)
    store.delete(f"datasets/{NEW}", recursive=True)
    assert newest_dataset(store).fingerprint == OLD
