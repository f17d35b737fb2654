"""From a pruned manifest to a data set as people want it: the stages, on made-up photos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pruned_photos import SPECIES, noise, pruned_photo, pruned_table
from sqlalchemy import Engine

from mushroom_tasks import manifests, stages
from mushroom_tasks.curation import review
from mushroom_tasks.curation.dataset import refresh
from mushroom_tasks.curation.dataset.publish import MANIFEST, find_dataset
from mushroom_tasks.settings import Settings, load_settings, nest
from mushroom_tasks.stages.choices import choices
from mushroom_tasks.stages.pruning import pruned_key
from mushroom_tasks.stages.results import DatasetResult, SelectionResult
from mushroom_tasks.storage import Store

AMANITA, BOLETUS = 48715, 48717
FIRST = pruned_key(load_settings({}), "d1")  # the pruned manifest that the rules in force make of the downloads d1
SELECTED = SelectionResult(fingerprint="s1", address="", species=2, photos=8, shards=[0])


@dataclass(frozen=True)
class Desk:
    """A home with a pruned manifest, and the database people decide in."""

    settings: Settings
    engine: Engine

    @property
    def store(self) -> Store:
        return Store(self.settings.store)

    def prune(self, fingerprint: str, rows: pa.Table) -> None:
        """What the stages before leave."""
        manifests.write_manifest(self.store, f"pruned/{fingerprint}.parquet", rows, manifests.PRUNED, fingerprint)
        self.store.write_json(f"pruned/{fingerprint}.json", {"downloads": "d1"})

    def publish(self, pruned: str = FIRST) -> DatasetResult:
        return stages.publish(self.settings, pruned)

    def rows(self, dataset: DatasetResult) -> dict[int, dict[str, Any]]:
        path = find_dataset(self.store, dataset.fingerprint).file(MANIFEST)
        rows = manifests.read_manifest(self.store, path, manifests.PRUNED).to_pylist()
        return {row["photo_id"]: row for row in rows}

    def is_new(self) -> bool:
        return stages.plan_dataset(self.settings, SELECTED).is_new


@pytest.fixture
def desk(engine: Engine, database: str, postgres_home: Path, tmp_path: Path) -> Desk:
    where = {"home": postgres_home, "store_root": str(tmp_path / "store"), "database_url": database}
    desk = Desk(load_settings(where), engine)
    downloads = manifests.DOWNLOADS.empty_table()
    manifests.write_manifest(desk.store, "downloads/d1.parquet", downloads, manifests.DOWNLOADS, "d1")
    desk.store.write_json("downloads/d1.json", {"selection": "s1"})
    species = [{"taxon_id": taxon_id, "scientific_name": name} for taxon_id, name in SPECIES.items()]
    desk.store.write_json("selections/s1.species.json", species)
    desk.prune(FIRST, photos())
    return desk


def photos(**first: Any) -> pa.Table:
    return pruned_table(
        noise(1, **first), noise(2), pruned_photo(3, doubt="near_border"), *(pruned_photo(i) for i in range(4, 9))
    )


def test_queue_review__counts_what_people_have_to_look_at(desk: Desk) -> None:
    queued = stages.queue_review(desk.settings, FIRST)

    assert queued.model_dump() == {
        "fingerprint": FIRST, "is_new": True, "photos": 8, "pruned": 2, "doubtful": 1, "waiting": 3, "decided": 0,
    }  # fmt: skip
    review.decide(desk.engine, [(1, BOLETUS)], "keep", "ann")
    again = stages.queue_review(desk.settings, FIRST)
    assert (again.is_new, again.waiting, again.decided) == (False, 2, 1)


def test_queue_review__keeps_the_parameters_that_make_the_data_set_again(desk: Desk) -> None:
    changed = desk.settings.model_copy(
        update={"selection": desk.settings.selection.model_copy(update={"seed": 7, "countries": ("DK",)})}
    )
    stages.queue_review(changed, FIRST)
    conf = review.find_set(desk.engine, FIRST).conf

    assert conf is not None
    assert conf["selection.seed"] == 7
    given = {path: value for path, value in conf.items() if "." in path or path == "root_taxa"}
    assert choices(load_settings(nest(given))) == choices(changed)


def test_queue_review__photos_of_another_source_have_no_way_to_be_made_again(desk: Desk) -> None:
    stages.queue_review(desk.settings, FIRST, "folder herbarium")
    found = review.find_set(desk.engine, FIRST)
    assert (found.origin, found.conf) == ("folder herbarium", None)


def test_publish__without_decisions_is_the_pruned_manifest(desk: Desk) -> None:
    dataset = desk.publish()
    assert (dataset.fingerprint, dataset.pruned, dataset.decisions) == (FIRST, 2, {})
    assert {row["decision"] for row in desk.rows(dataset).values()} == {None}


def test_publish__obeys_people_and_makes_another_data_set(desk: Desk) -> None:
    before = desk.publish()
    stages.queue_review(desk.settings, FIRST)
    review.decide(desk.engine, [(1, BOLETUS)], "keep", "ann")
    review.decide(desk.engine, [(3, BOLETUS), (4, AMANITA)], "wrong_species", "bob")

    after = desk.publish()

    rows = desk.rows(after)
    assert (before.fingerprint, after.fingerprint != FIRST) == (FIRST, True)
    assert {photo: row["is_outlier"] for photo, row in rows.items() if row["decision"]} == {1: False, 3: True, 4: True}
    assert (rows[1]["reason"], rows[4]["reason"], rows[2]["is_outlier"]) == ("noise", "typical", True)
    assert (after.pruned, after.decisions) == (3, {"keep": 1, "wrong_species": 2})
    published = find_dataset(desk.store, after.fingerprint)
    assert published.decided_by == {"ann": 1, "bob": 2}
    assert published.inputs["pruned"] == FIRST
    assert (after.changes["pruned"], after.changes["restored"]) == (2, 1)
    assert "are pruned that were kept" in desk.store.read_bytes(published.file(refresh.REPORT)).decode()
    assert desk.rows(before)[1]["is_outlier"]


def test_publish__the_same_decisions_are_the_same_data_set_whoever_made_them(desk: Desk) -> None:
    stages.queue_review(desk.settings, FIRST)
    review.decide(desk.engine, [(1, BOLETUS)], "keep", "ann")
    first = desk.publish()
    review.decide(desk.engine, [(1, BOLETUS)], "prune", "bob")
    second = desk.publish()
    review.decide(desk.engine, [(1, BOLETUS)], "keep", "cleo")

    assert len({first.fingerprint, second.fingerprint, FIRST}) == 3
    assert desk.publish().fingerprint == first.fingerprint


def test_publish__decisions_outlive_another_pruning_and_the_set_they_were_made_on(desk: Desk) -> None:
    stages.queue_review(desk.settings, FIRST)
    review.decide(desk.engine, [(1, BOLETUS), (2, AMANITA)], "keep", "ann")
    few = desk.settings.model_copy(update={"review": desk.settings.review.model_copy(update={"keep_sets": 1})})
    desk.prune("p2", photos(taxon_id=AMANITA))
    stages.queue_review(few, "p2")

    assert [each.fingerprint for each in review.sets(desk.engine)] == ["p2"]
    rows = desk.rows(desk.publish("p2"))
    # Photo 1 is another species now: what was said of it as the former does not count.
    assert (rows[1]["decision"], rows[1]["is_outlier"]) == (None, True)
    assert (rows[2]["decision"], rows[2]["is_outlier"]) == ("keep", False)


def test_plan__builds_again_after_a_decision_and_not_after_its_undo(desk: Desk) -> None:
    desk.publish()
    stages.queue_review(desk.settings, FIRST)
    assert not desk.is_new()

    done = review.decide(desk.engine, [(1, BOLETUS)], "keep", "ann")
    assert desk.is_new()
    review.undo(desk.engine, done.batch, "ann")
    assert not desk.is_new()

    review.decide(desk.engine, [(1, BOLETUS)], "keep", "ann")
    desk.publish()
    assert not desk.is_new()
    # What changes nothing of what was decided is no news.
    review.decide(desk.engine, [(1, BOLETUS)], "keep", "bob")
    assert not desk.is_new()
    review.decide(desk.engine, [(1, BOLETUS)], "not_sure", "bob")
    assert desk.is_new()


def test_plan__decisions_on_other_photos_are_no_news(desk: Desk) -> None:
    desk.publish()
    stages.queue_review(desk.settings, FIRST)
    desk.prune("p2", pruned_table(pruned_photo(1000), pruned_photo(1001)))
    stages.queue_review(desk.settings, "p2")
    review.decide(desk.engine, [(1000, AMANITA)], "prune", "ann")
    assert not desk.is_new()


def test_publish__logs_each_data_set_once(desk: Desk) -> None:
    from mlflow import MlflowClient

    from mushroom_tasks.db import embedded

    stages.queue_review(desk.settings, FIRST)
    review.decide(desk.engine, [(1, BOLETUS), (4, AMANITA)], "prune", "ann")
    for _ in range(2):
        dataset = desk.publish()

    address = embedded.url(desk.settings.home, "mlflow")
    client = MlflowClient(tracking_uri=address, registry_uri=address)
    experiment = client.get_experiment_by_name("dataset_build")
    assert experiment is not None
    wanted = f"tags.`mushroom.key` = '{dataset.fingerprint}'"
    [run] = client.search_runs([experiment.experiment_id], wanted)
    metrics = run.data.metrics
    assert (metrics["decided/prune"], metrics["pruned/by_person"], metrics["pruned/noise"]) == (2, 1, 2)
