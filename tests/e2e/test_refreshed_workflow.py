"""A refresh through a live Airflow: a later snapshot of real photos, and what it does to the next data set."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from aiohttp import web
from later_snapshot import Later, publish_irrelevant, publish_later

from mushroom_tasks.curation.dataset.publish import PublishedDataset, list_datasets
from mushroom_tasks.curation.dataset.refresh import FILE, Counts, DatasetChanges
from mushroom_tasks.db.engine import open_engine
from mushroom_tasks.inat.refresh.changes import Changes, per_species
from mushroom_tasks.inat.refresh.history import loads
from mushroom_tasks.local import stack
from mushroom_tasks.local.airflow_api import AirflowApi, DagRun
from mushroom_tasks.local.services import Services
from mushroom_tasks.manifests import PRUNED, read_manifest
from mushroom_tasks.sample.server import application
from mushroom_tasks.settings import Settings, load_settings
from mushroom_tasks.storage import Store

pytestmark = [pytest.mark.e2e, pytest.mark.shared, pytest.mark.timeout(1_200)]

SPECIES = ("Armillaria lutea", "Amanita muscaria", "Boletus edulis")
LOADED_ONLY = "Mycena galericulata"  # in the tables, not in the selection


class CountingServer:
    """Serves a bucket on 127.0.0.1 and notes which photos were asked for."""

    def __init__(self, folder: Path) -> None:
        self.photos: list[int] = []
        self._folder, self._loop, self._ready = folder, asyncio.new_event_loop(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> CountingServer:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_error: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())

    async def _start(self) -> None:
        app = application(self._folder)
        app.on_response_prepare.append(self._note)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.address = "http://{}:{}".format(*self._runner.addresses[0])
        self._ready.set()

    async def _note(self, request: web.Request, _response: web.StreamResponse) -> None:
        kind, _, rest = request.path.strip("/").partition("/")
        if kind == "photos":
            self.photos.append(int(rest.partition("/")[0]))


@dataclass
class Refreshed:
    """Two refreshes after a first data set, with what each of them asked the server for."""

    settings: Settings
    later: Later
    first: PublishedDataset
    second: PublishedDataset
    fetched: list[int]
    fetched_for_nothing: list[int]
    states: list[dict[str, str]]
    stored_before: set[str]

    @property
    def store(self) -> Store:
        return Store(self.settings.store)

    def rows(self, dataset: PublishedDataset) -> pa.Table:
        return read_manifest(self.store, dataset.file("pruned.parquet"), PRUNED)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # Not below pytest's own folder, which each session of pytest closes to others: as root, PostgreSQL is another.
    with tempfile.TemporaryDirectory(prefix="mushroom-", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def refreshed(folder: Path, shared_bucket: Path) -> Iterator[Refreshed]:
    bucket = folder / "bucket"
    shutil.copytree(shared_bucket, bucket)
    with CountingServer(bucket) as server:
        settings = load_settings(
            {
                "home": folder / "home",
                "source": server.address,
                "selection": {"species": SPECIES, "max_photos_per_observer": 1000},
            }
        )
        try:
            yield _refresh_twice(settings, stack.up(settings, sample=False), bucket, server)
        finally:
            stack.down(settings)


def _refresh_twice(settings: Settings, services: Services, bucket: Path, server: CountingServer) -> Refreshed:
    store = Store(settings.store)
    with services.airflow_api() as api:
        for dag_id in ("inat_ingest", "dataset_build"):  # training waits: it is no part of this
            api.unpause(dag_id)
        states = [_run_both(api)]
        (first,) = list_datasets(store)
        stored = {name for names in _photos(store).values() for name in names}
        server.photos.clear()
        later = publish_later(bucket, SPECIES[:2])
        states.append(_run_both(api))
        fetched = list(server.photos)
        second = list_datasets(store)[0]
        server.photos.clear()
        publish_irrelevant(bucket, LOADED_ONLY)
        states.append(_run_both(api))
    return Refreshed(settings, later, first, second, fetched, list(server.photos), states, stored)


def _run_both(api: AirflowApi) -> dict[str, str]:
    """Run inat_ingest and the dataset_build that it sets off; return the states of their tasks."""
    ingest = _ended(api, api.trigger("inat_ingest"))
    deadline = time.monotonic() + 120
    while (build := api.run_caused_by("dataset_build", ingest)) is None:
        assert time.monotonic() < deadline, "no dataset_build was set off"
        time.sleep(1)
    tasks = [*api.tasks(ingest), *api.tasks(_ended(api, build))]
    return {task.task_id: task.state for task in tasks}


def _ended(api: AirflowApi, run: DagRun) -> DagRun:
    deadline = time.monotonic() + 600
    while run.is_active:
        assert time.monotonic() < deadline, f"{run.dag_id} does not end"
        time.sleep(1)
        run = api.run(run)
    assert run.state == "success", [task for task in api.tasks(run) if task.state == "failed"]
    return run


def _photos(store: Store) -> dict[str, list[str]]:
    return {number: store.list(f"photos/medium/{number}") for number in store.list("photos/medium")}


def test_refresh__the_load_reports_exactly_what_changed(refreshed: Refreshed) -> None:
    later, engine = refreshed.later, open_engine(refreshed.settings)
    irrelevant, load, first = loads(engine)
    changes = Changes.model_validate(load.changes)
    species = {row["scientific_name"]: row for row in per_species(engine, load.id).to_pylist()}
    engine.dispose()

    found = changes.totals
    assert (found.added, found.removed, found.moved) == (len(later.added), len(later.withdrawn), 1)
    assert found.changed == found.relicensed == len(later.relicensed)
    assert [(move.from_name, move.to_name, move.photos) for move in changes.moves] == [
        (later.moved_from, later.moved_to, 1)
    ]
    assert set(species) == {later.moved_from, later.moved_to}
    assert species[later.moved_from]["removed"] == len(later.withdrawn)
    assert first.changes is None
    assert Changes.model_validate(irrelevant.changes).totals.regraded == 1


def test_refresh__the_next_data_set_says_what_it_gained_and_lost(refreshed: Refreshed) -> None:
    later = refreshed.later
    content = refreshed.store.read_json(refreshed.second.file(FILE))
    changes = DatasetChanges.model_validate(content)

    assert (changes.previous, changes.current) == (refreshed.first.fingerprint, refreshed.second.fingerprint)
    # New photos move the border between typical and not, in whatever species.
    assert changes.totals.model_copy(update={"pruned": 0, "restored": 0}) == Counts(
        before=refreshed.first.counts.photos,
        now=refreshed.first.counts.photos + len(later.added) - len(later.withdrawn),
        added=len(later.added),
        withdrawn=len(later.withdrawn),
        moved=1,
    )
    others = {name for name, counts in changes.species.items() if counts.added or counts.withdrawn or counts.moved}
    assert others == {later.moved_from, later.moved_to}
    assert changes.species[later.moved_to].moved == 1


def test_refresh__no_photo_changes_its_split(refreshed: Refreshed) -> None:
    before, now = (
        {row["photo_id"]: row for row in refreshed.rows(dataset).to_pylist()}
        for dataset in (refreshed.first, refreshed.second)
    )

    assert all(now[photo_id]["split"] == row["split"] for photo_id, row in before.items() if photo_id in now)
    assert before.keys() - now.keys() == set(refreshed.later.withdrawn)
    assert now.keys() - before.keys() == set(refreshed.later.added)
    assert now[refreshed.later.moved]["scientific_name"] == refreshed.later.moved_to
    assert {now[photo_id]["license"] for photo_id in refreshed.later.relicensed} == {"CC0"}


def test_refresh__only_the_new_photos_are_fetched(refreshed: Refreshed) -> None:
    failed = refreshed.first.failures
    assert sum(failed.values()) == sum(refreshed.second.failures.values())
    assert set(refreshed.later.added) <= set(refreshed.fetched)
    known = set(refreshed.rows(refreshed.first)["photo_id"].to_pylist())
    assert not known & set(refreshed.fetched)
    once = [photo_id for photo_id in refreshed.fetched if photo_id in refreshed.later.added]
    assert sorted(once) == sorted(refreshed.later.added)
    assert len(set(refreshed.fetched)) == len(once) + sum(failed.values())


def test_refresh__withdrawn_photos_leave_the_store(refreshed: Refreshed) -> None:
    stored = {name.partition(".")[0] for names in _photos(refreshed.store).values() for name in names}
    before = {name.partition(".")[0] for name in refreshed.stored_before}

    assert before - stored == {str(photo_id) for photo_id in refreshed.later.withdrawn}


def test_refresh__ends_as_skipped_where_nothing_relevant_changed(refreshed: Refreshed) -> None:
    first, second, third = refreshed.states

    for states in (first, second):
        assert {task: state for task, state in states.items() if state != "success"} == {"approve": "skipped"}
    skipped = {task for task, state in third.items() if state == "skipped"}
    assert skipped == {
        *("download", "collect", "embed", "prune", "report", "queue_review", "is_to_be_approved", "approve", "publish")
    }
    assert third["ingest"] == third["withdraw"] == "success"
    assert refreshed.fetched_for_nothing == []
    assert len(list_datasets(refreshed.store)) == 2
