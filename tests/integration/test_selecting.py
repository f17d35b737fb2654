"""The stage `select`, its report, and the dry run, on a home of their own."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from loaded_rows import Rows
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from mushroom_tasks import manifests, stages
from mushroom_tasks.cli.main import app
from mushroom_tasks.db import embedded
from mushroom_tasks.db.engine import migrate
from mushroom_tasks.errors import SelectionError
from mushroom_tasks.inat.selecting.species_counts import SPECIES_COUNTS
from mushroom_tasks.settings import Settings, load_settings
from mushroom_tasks.storage import Store
from mushroom_tasks.tracking import open_tracker

FEW = {"min_photos_per_species": 1, "photos_per_species": 3}


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    """A home with its own PostgreSQL, empty but migrated; MLflow's tables are in it too."""
    with tempfile.TemporaryDirectory(prefix="mushroom-", dir="/tmp") as name:
        home = Path(name)
        home.chmod(0o755)
        engine = create_engine(embedded.url(home))
        migrate(engine)
        engine.dispose()
        try:
            yield load_settings({"home": home, "source": "nowhere", "selection": FEW})
        finally:
            embedded.stop(home)


def rows() -> Rows:
    made = Rows()
    for taxon_id, first in ((21, 0), (31, 10), (41, 20)):
        for photo_id in range(first, first + 4 + taxon_id // 10):
            made.observe(taxon_id, [photo_id], observer_id=photo_id)
    return made


def load(settings: Settings, made: Rows, fingerprint: str) -> None:
    engine = create_engine(embedded.url(settings.home))
    made.write(engine, fingerprint)
    engine.dispose()


def test_select__says_that_nothing_is_loaded(settings: Settings) -> None:
    engine = create_engine(embedded.url(settings.home))
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM snapshots"))
    engine.dispose()
    with pytest.raises(SelectionError, match="no snapshot is loaded"):
        stages.select(settings)
    with pytest.raises(SelectionError, match="no snapshot is loaded"):
        stages.preview(settings)


def test_select__writes_the_manifest_and_its_reports(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    load(settings, rows(), "first")
    with caplog.at_level(logging.INFO):
        selected = stages.select(settings)
    assert (selected.species, selected.photos, selected.shards) == (3, 9, [0])
    store = Store(settings.store)
    path = f"selections/{selected.fingerprint}"
    assert manifests.manifest_fingerprint(store, f"{path}.parquet") == selected.fingerprint
    counts = manifests.read_manifest(store, f"{path}.counts.parquet", SPECIES_COUNTS).to_pylist()
    assert [(row["scientific_name"], row["available"], row["selected"]) for row in counts] == [
        ("Boletus edulis", 8, 3), ("Amanita virosa", 7, 3), ("Amanita muscaria", 6, 3)
    ]  # fmt: skip
    listed = list(csv.DictReader(io.StringIO(store.read_bytes(f"{path}.counts.csv").decode())))
    assert [row["taxon_id"] for row in listed] == ["41", "31", "21"]
    assert store.read_bytes(f"{path}.counts.png").startswith(b"\x89PNG")
    assert [entry["taxon_id"] for entry in store.read_json(f"{path}.species.json")] == [21, 31, 41]
    assert "Boletus edulis" in caplog.text
    assert "3 selected of 3" in caplog.text


def test_select__logs_one_run_with_the_reports(settings: Settings) -> None:
    load(settings, rows(), "first")
    key = stages.select(settings).fingerprint
    stages.select(settings)
    client = open_tracker(settings)._client
    experiment = client.get_experiment_by_name("dataset_build")
    (run,) = client.search_runs([experiment.experiment_id], f"tags.selection = '{key}'")
    assert run.info.status == "FINISHED"
    assert (run.data.metrics["selection/selected"], run.data.metrics["selection/species"]) == (9, 3)
    assert run.data.params["selection.photos_per_species"] == "3"
    names = {Path(entry.path).suffix for entry in client.list_artifacts(run.info.run_id, "selection")}
    assert names == {".csv", ".parquet", ".png"}


def test_select__is_named_by_what_was_selected(settings: Settings) -> None:
    load(settings, rows(), "first")
    first = stages.select(settings)
    load(settings, rows(), "second")
    assert stages.select(settings) == first

    more = rows()
    more.observe(42, [40], observer_id=40)  # changes what there is, and not what is selected
    load(settings, more, "third")
    chosen = settings.model_copy(update={"selection": settings.selection.model_copy(update={"species_count": 3})})
    load(settings, rows(), "first")
    before = stages.select(chosen).fingerprint
    load(settings, more, "third")
    assert stages.select(chosen).fingerprint == before

    for photo in more.photos:
        photo["license"] = "CC0"
    load(settings, more, "fourth")
    assert stages.select(chosen).fingerprint != before


def test_select__does_not_query_again_what_it_was_asked_before(settings: Settings) -> None:
    load(settings, rows(), "first")
    first = stages.select(settings)
    engine = create_engine(embedded.url(settings.home))
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM photos"))
    engine.dispose()
    assert stages.select(settings) == first
    Path(first.address).unlink()
    with pytest.raises(SelectionError, match="0 species have 1 photos"):
        stages.select(settings)


def test_dry_run__shows_the_table_and_writes_nothing(settings: Settings, tmp_path: Path) -> None:
    load(settings, rows(), "dry")
    before = sorted(Path(settings.store).rglob("*"))
    options = ["--workdir", str(settings.home), "--set", "selection.min_photos_per_species=7", "--set"]
    options += ["selection.photos_per_species=7"]
    plot, table = tmp_path / "tail.png", tmp_path / "counts.csv"
    runner = CliRunner(env={"COLUMNS": "200", **os.environ})
    shown = runner.invoke(app, ["select", "--dry-run", "--plot", str(plot), "--csv", str(table), *options])
    assert shown.exit_code == 0, shown.output
    assert "Boletus edulis" in shown.stdout
    assert "too few photos" in shown.stdout
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert next(csv.reader(io.StringIO(table.read_text()))) == SPECIES_COUNTS.names

    as_json = runner.invoke(app, ["select", "--dry-run", "--json", *options])
    found = json.loads(as_json.stdout)
    assert [(row["taxon_id"], row["selected"]) for row in found] == [(41, 7), (31, 7), (21, 0)]
    to_output = runner.invoke(app, ["select", "--dry-run", "--csv", "-", *options])
    assert to_output.stdout == table.read_text()
    assert sorted(Path(settings.store).rglob("*")) == before


def test_select_command__selects_without_dry_run(settings: Settings, tmp_path: Path) -> None:
    load(settings, rows(), "first")
    options = ["--workdir", str(settings.home), "--set", "selection.min_photos_per_species=1"]
    done = CliRunner().invoke(app, ["select", *options])
    assert done.exit_code == 0, done.output
    assert pq.read_table(json.loads(done.stdout)["address"]).num_rows == 21
    refused = CliRunner().invoke(app, ["select", "--plot", str(tmp_path / "x.png"), *options])
    assert refused.exit_code == 2
